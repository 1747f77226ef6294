//! A reader: an account that signs in, a key that secrets are sealed to, a spender key that signs vouchers. Only
//! signatures: it has no ether.

use alloy::primitives::aliases::{U24, U40, U96};
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{Eip712Domain, SolStruct, SolValue};
use offsetdata_protocol::bindings::token::DevToken;
use offsetdata_protocol::gateway_api::{
    Challenge, GatewayInfo, KeyAnswer, KeyRequest, PermitUpload, ReaderKeyUpload, Refusal, Session, SignIn,
    SpenderUpload, Text, VoucherUpload, lane,
};
use offsetdata_protocol::messages::{
    ReaderKey, SpenderAuthorization, UsageVoucher, billing_domain, gateway_domain,
};
use offsetdata_protocol::seal::SealingSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{World, now};

pub struct Reader {
    pub client: reqwest::Client,
    pub url: String,
    pub info: GatewayInfo,
    pub account: PrivateKeySigner,
    pub spender: PrivateKeySigner,
    pub sealing: SealingSecret,
    pub token: String,
}

pub fn sign(key: &PrivateKeySigner, message: &impl SolStruct, domain: &Eip712Domain) -> Bytes {
    Bytes::from(key.sign_hash_sync(&message.eip712_signing_hash(domain)).unwrap().as_bytes())
}

impl Reader {
    /// Signed in, and nothing else.
    pub async fn sign_in(world: &World) -> Self {
        let client = reqwest::Client::builder().timeout(std::time::Duration::from_secs(20)).build().unwrap();
        let url = world.url().to_owned();
        let info = client.get(format!("{url}/v1/gateway")).send().await.unwrap().json().await.unwrap();
        let mut reader = Self {
            client,
            url,
            info,
            account: PrivateKeySigner::random(),
            spender: PrivateKeySigner::random(),
            sealing: SealingSecret::from_bytes(PrivateKeySigner::random().to_bytes().0),
            token: String::new(),
        };
        reader.token = reader.session().await.token;
        reader
    }

    /// With `money` that a permit allows to be taken, and a spender key with this cap.
    pub async fn with_money(world: &World, money: u128, cap: u128) -> Self {
        let reader = Self::sign_in(world).await;
        world.mint(reader.account.address(), money).await;
        let answer = reader.post("/v1/permits", &reader.permit(world, U256::from(money)).await).await;
        assert_eq!(answer.status(), 204, "{}", answer.text().await.unwrap());
        let answer = reader.post("/v1/spenders", &reader.authorization(cap, 0)).await;
        assert_eq!(answer.status(), 204, "{}", answer.text().await.unwrap());
        reader
    }

    pub async fn challenge(&self) -> Challenge {
        let body = serde_json::json!({ "account": self.account.address() });
        self.post("/v1/challenges", &body).await.json().await.unwrap()
    }

    pub async fn session(&self) -> Session {
        let message = self
            .challenge()
            .await
            .message(&self.info.audience, self.account.address(), self.info.chain_id)
            .unwrap();
        let signature = Bytes::from(self.account.sign_message_sync(message.as_bytes()).unwrap().as_bytes());
        let answer = self.post("/v1/sessions", &SignIn { message, signature }).await;
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: &impl Serialize) -> reqwest::Response {
        let call = self.client.post(format!("{}{path}", self.url)).json(body);
        let call = if self.token.is_empty() { call } else { call.bearer_auth(&self.token) };
        call.send().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.token).send().await.unwrap()
    }

    pub async fn permit(&self, world: &World, value: U256) -> PermitUpload {
        let (deployment, owner) = (&world.node.deployment, self.account.address());
        let separator = world.node.read(deployment.token, &DevToken::DOMAIN_SEPARATORCall {}).await;
        let nonce = world.node.read(deployment.token, &DevToken::noncesCall { owner }).await;
        let deadline = U256::from(now() + 86_400);
        let kind =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        let hash = keccak256((kind, owner, deployment.usage_billing, value, nonce, deadline).abi_encode());
        let digest = keccak256([&[0x19, 0x01], separator.as_slice(), hash.as_slice()].concat());
        let signature = Bytes::from(self.account.sign_hash_sync(&digest).unwrap().as_bytes());
        PermitUpload { value: Text(value), deadline: Text(deadline), nonce: Text(nonce), signature }
    }

    pub fn billing_domain(&self) -> Eip712Domain {
        billing_domain(self.info.chain_id, self.info.usage_billing)
    }

    pub fn authorization(&self, cap: u128, nonce: u32) -> SpenderUpload {
        let expiry = now() + 86_400;
        let message = SpenderAuthorization {
            payer: self.account.address(),
            spender: self.spender.address(),
            cap: U96::from(cap),
            expiry: U40::from(expiry),
            nonce: U24::from(nonce),
        };
        let signature = sign(&self.account, &message, &self.billing_domain());
        SpenderUpload { spender: self.spender.address(), cap: Text(cap), expiry, nonce, signature }
    }

    pub fn reader_key(&self) -> ReaderKeyUpload {
        let valid_until = now() + 3600;
        let public_key = self.sealing.public_key().unwrap();
        let message = ReaderKey {
            account: self.account.address(),
            publicKey: B256::new(public_key.0),
            audience: self.info.audience.clone(),
            validUntil: U40::from(valid_until),
        };
        let domain = gateway_domain(self.info.chain_id, self.info.access_token);
        ReaderKeyUpload { public_key, valid_until, signature: sign(&self.account, &message, &domain) }
    }

    /// This gateway's lane of this number.
    pub fn lane(&self, number: u32) -> u64 {
        lane(self.info.signer, number)
    }

    /// A voucher by the spender key.
    pub fn voucher(&self, world: &World, lane: u64, amount: u128, records: u64) -> VoucherUpload {
        self.voucher_by(
            &self.spender,
            world,
            world.publisher.address(),
            lane,
            amount,
            records,
            now() + 86_400,
        )
    }

    #[allow(clippy::too_many_arguments)]
    pub fn voucher_by(
        &self,
        key: &PrivateKeySigner,
        world: &World,
        payee: Address,
        lane: u64,
        amount: u128,
        records: u64,
        valid_until: u64,
    ) -> VoucherUpload {
        let mut voucher = VoucherUpload {
            payee,
            lane: Text(lane),
            amount: Text(amount),
            records: Text(records),
            valid_until,
            from_deposit: false,
            signer: key.address(),
            signature: Bytes::new(),
        };
        voucher.signature = self.resign(key, world, &voucher);
        voucher
    }

    /// The signature over a voucher as it stands.
    pub fn resign(&self, key: &PrivateKeySigner, world: &World, voucher: &VoucherUpload) -> Bytes {
        let message = UsageVoucher {
            payer: self.account.address(),
            payee: voucher.payee,
            collection: world.collection.0,
            lane: voucher.lane.0,
            amount: voucher.amount.0,
            records: voucher.records.0,
            validUntil: U40::from(voucher.valid_until),
            fromDeposit: voucher.from_deposit,
        };
        sign(key, &message, &self.billing_domain())
    }

    pub async fn ask(&self, world: &World, chunk: u32, voucher: Option<VoucherUpload>) -> reqwest::Response {
        let request = KeyRequest { reader_key: self.reader_key(), voucher };
        self.post(&format!("/v1/collections/{}/chunks/{chunk}/key", world.collection), &request).await
    }

    /// A key, or the refusal.
    pub async fn key(
        &self,
        world: &World,
        chunk: u32,
        voucher: Option<VoucherUpload>,
    ) -> Result<KeyAnswer, Box<Refusal>> {
        read(self.ask(world, chunk, voucher).await).await
    }
}

/// The answer, or the refusal.
pub async fn read<T: DeserializeOwned>(answer: reqwest::Response) -> Result<T, Box<Refusal>> {
    let status = answer.status();
    let kind = answer.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    let text = answer.text().await.unwrap();
    if status.is_success() {
        return Ok(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")));
    }
    assert_eq!(kind, "application/problem+json", "{status}: {text}");
    let refusal: Refusal = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(refusal.status, status.as_u16());
    Err(Box::new(refusal))
}
