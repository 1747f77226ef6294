//! A reader's side of a gateway: signs in, promises by vouchers, opens chunk secrets. It trusts no answer: prices are
//! held against the chain, secrets against the manifest, releases against the gateway's signer.

mod identity;
mod keys;
mod places;
mod purse;
mod training;
mod wire;

pub use keys::{Keys, Spent};
pub use places::{Description, MAX_DESCRIPTION_BYTES, MAX_GATEWAYS, describe, gateways_of};
pub use purse::{Lane, Purse};
pub use training::{TrainKeys, TrainingAccess};

use alloy::primitives::aliases::{U24, U40, U96};
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::signers::Signer;
use alloy::sol_types::{SolStruct, SolValue};
use offsetdata_protocol::bindings::billing::UsageBilling;
use offsetdata_protocol::bindings::token::DevToken;
use offsetdata_protocol::gateway_api::{
    Allowance, Challenge, ChallengeRequest, CollectionInfo, GatewayInfo, PermitUpload, Sales, Session,
    SettleAnswer, SignIn, SpenderUpload, Statement, Text, code,
};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::messages::{SpenderAuthorization, billing_domain};
use serde::Serialize;

use crate::{Account, Chain, SdkError};
use wire::Wire;

/// Permits signed anew because another one landed in between.
const MOST_TRIES: u32 = 3;

/// A gateway that serves this deployment. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gateway {
    wire: Wire,
    info: GatewayInfo,
}

/// A gateway that knows who asks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SignedIn {
    gateway: Gateway,
    account: Account,
    token: String,
}

impl Gateway {
    /// Asks a gateway who it is, and holds that against the deployment.
    ///
    /// # Errors
    /// No answer; a gateway of another chain or of other contracts, or one that calls itself by another URL.
    pub async fn connect(url: &str, chain: &Chain) -> Result<Self, SdkError> {
        let url = url.trim_end_matches('/').to_owned();
        let wire = Wire::new(&url)?;
        let info: GatewayInfo = wire.get("/v1/gateway", None).await?;
        let deployment = chain.deployment();
        let ours = (deployment.chain_id, deployment.access_token, deployment.usage_billing, deployment.token);
        let theirs = (info.chain_id, info.access_token, info.usage_billing, info.token);
        if ours != theirs || info.collection_registry != deployment.collection_registry {
            return Err(wire.failed(format!(
                "it serves chain {} with AccessToken {}, expected chain {} with {}",
                theirs.0, theirs.1, ours.0, ours.1
            )));
        }
        if info.audience.trim_end_matches('/') != url {
            // What we sign names the URL that we call: passed on by a stranger it is no use to them.
            return Err(wire.failed(format!("it calls itself {}; use that URL", info.audience)));
        }
        Ok(Self { wire, info })
    }

    /// What it says of itself.
    pub fn info(&self) -> &GatewayInfo {
        &self.info
    }

    /// What it says of a collection.
    ///
    /// # Errors
    /// A gateway that does not serve it.
    pub async fn collection(&self, id: CollectionId) -> Result<CollectionInfo, SdkError> {
        self.wire.get(&format!("/v1/collections/{id}"), None).await
    }

    /// Signs in (EIP-4361).
    ///
    /// # Errors
    /// A refusal.
    pub async fn sign_in(&self, account: &Account) -> Result<SignedIn, SdkError> {
        let ask = ChallengeRequest { account: account.address() };
        let challenge: Challenge = self.wire.post("/v1/challenges", None, &ask).await?;
        let message = challenge.message(&self.info.audience, account.address(), self.info.chain_id)?;
        let signature = account.signer().sign_message(message.as_bytes()).await.map_err(signing)?;
        let body = SignIn { message, signature: Bytes::copy_from_slice(&signature.as_bytes()) };
        let session: Session = self.wire.post("/v1/sessions", None, &body).await?;
        if session.account != account.address() {
            return Err(self.wire.failed(format!(
                "it signed in {}, expected {}",
                session.account,
                account.address()
            )));
        }
        Ok(SignedIn { gateway: self.clone(), account: account.clone(), token: session.token })
    }
}

impl SignedIn {
    /// The gateway.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Who signed in.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// What UsageBilling may take from this account, and what is promised of it.
    ///
    /// # Errors
    /// A refusal.
    pub async fn allowance(&self) -> Result<Allowance, SdkError> {
        self.gateway.wire.get("/v1/permits", Some(&self.token)).await
    }

    /// Lets UsageBilling take `more` on top of what it may take already, by a permit (ERC-2612) for both: a permit sets the
    /// allowance, and what earlier purses promised is paid from it too.
    ///
    /// # Errors
    /// A refusal.
    pub async fn allow_more(&self, chain: &Chain, more: u128, deadline: u64) -> Result<(), SdkError> {
        let mut tries = 0;
        loop {
            let allowed = self.allowance().await?.allowed.0;
            let value = allowed.saturating_add(U256::from(more));
            if value == allowed {
                return Ok(());
            }
            match self.leave_permit(chain, value, deadline).await {
                // The permit before it has landed meanwhile.
                Err(SdkError::GatewayRefused(refusal))
                    if refusal.code == code::WRONG_NONCE && tries < MOST_TRIES =>
                {
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    /// Leaves a permit (ERC-2612) of the settlement token to UsageBilling in place of the one before it; the gateway lands
    /// it when it settles. It costs nothing now, and no more than `value` ever.
    ///
    /// # Errors
    /// A refusal.
    pub async fn leave_permit(&self, chain: &Chain, value: U256, deadline: u64) -> Result<(), SdkError> {
        let deployment = chain.deployment();
        let (owner, token) = (self.account.address(), deployment.token);
        let nonce = chain.call(token, &DevToken::noncesCall { owner }).await?;
        let domain = chain.call(token, &DevToken::DOMAIN_SEPARATORCall {}).await?;
        let kind =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        let spender: Address = deployment.usage_billing;
        let deadline = U256::from(deadline);
        let fields = keccak256((kind, owner, spender, value, nonce, deadline).abi_encode());
        let digest = keccak256([&[0x19, 0x01], domain.as_slice(), fields.as_slice()].concat());
        let signature = self.sign(digest).await?;
        let body =
            PermitUpload { value: Text(value), deadline: Text(deadline), nonce: Text(nonce), signature };
        self.done("/v1/permits", &body).await
    }

    /// Leaves the word that a key may sign vouchers for this account, up to `cap` in the token's smallest unit.
    ///
    /// # Errors
    /// A cap or time out of range, a refusal.
    pub async fn leave_authorization(
        &self,
        chain: &Chain,
        spender: Address,
        cap: u128,
        expiry: u64,
    ) -> Result<(), SdkError> {
        let deployment = chain.deployment();
        let payer = self.account.address();
        let state =
            chain.call(deployment.usage_billing, &UsageBilling::spenderOfCall { payer, spender }).await?;
        let range = |what: &str| SdkError::Terms(format!("the {what} of the authorization is out of range"));
        let message = SpenderAuthorization {
            payer,
            spender,
            cap: U96::try_from(cap).map_err(|_| range("cap"))?,
            expiry: U40::try_from(expiry).map_err(|_| range("expiry"))?,
            nonce: U24::from(state.nonce),
        };
        let domain = billing_domain(deployment.chain_id, deployment.usage_billing);
        let signature = self.sign(message.eip712_signing_hash(&domain)).await?;
        let nonce = state.nonce.to::<u32>();
        let body = SpenderUpload { spender, cap: Text(cap), expiry, nonce, signature };
        self.done("/v1/spenders", &body).await
    }

    /// What this account was charged for a collection.
    ///
    /// # Errors
    /// A refusal.
    pub async fn statement(&self, id: CollectionId) -> Result<Statement, SdkError> {
        self.gateway.wire.get(&format!("/v1/collections/{id}/statement"), Some(&self.token)).await
    }

    /// What a collection of this account sold: one page, and where the next begins.
    ///
    /// # Errors
    /// A refusal: the account is neither publisher nor payee.
    pub async fn sales(&self, id: CollectionId, after: Option<&str>) -> Result<Sales, SdkError> {
        let after = after.map_or(String::new(), |cursor| format!("?after={cursor}"));
        self.gateway.wire.get(&format!("/v1/collections/{id}/sales{after}"), Some(&self.token)).await
    }

    /// Has what is open settled now. Answers how much that is.
    ///
    /// # Errors
    /// A refusal.
    pub async fn settle(&self, id: CollectionId) -> Result<u128, SdkError> {
        let path = format!("/v1/collections/{id}/settle");
        let answer: SettleAnswer =
            self.gateway.wire.post(&path, Some(&self.token), &serde_json::json!({})).await?;
        Ok(answer.open.0)
    }

    async fn done<B: Serialize>(&self, path: &str, body: &B) -> Result<(), SdkError> {
        self.gateway.wire.send(path, Some(&self.token), body).await.map(|_| ())
    }

    async fn sign(&self, digest: B256) -> Result<Bytes, SdkError> {
        sign(&self.account, digest).await
    }
}

async fn sign(account: &Account, digest: B256) -> Result<Bytes, SdkError> {
    let signature = account.signer().sign_hash(&digest).await.map_err(signing)?;
    Ok(Bytes::copy_from_slice(&signature.as_bytes()))
}

fn signing(error: alloy::signers::Error) -> SdkError {
    SdkError::Account(format!("signing: {error}"))
}
