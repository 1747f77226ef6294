//! Chunk secrets from a gateway, paid by voucher where something is due. A promise is made for a price that the chain
//! names and for records that the manifest names, never for what a gateway asks beyond it.

use std::sync::{Arc, Mutex as SyncMutex, PoisonError};

use alloy::primitives::aliases::U40;
use alloy::primitives::{Address, U256};
use alloy::sol_types::SolStruct;
use offsetdata_content::Collection;
use offsetdata_protocol::ChunkSecret;
use offsetdata_protocol::bindings::access::AccessToken;
use offsetdata_protocol::bindings::billing::UsageBilling;
use offsetdata_protocol::gateway_api::{KeyAnswer, KeyRequest, Refusal, Text, VoucherUpload, code, lane};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::messages::{UsageVoucher, billing_domain};
use tokio::sync::Mutex;

use super::identity::{Identity, random};
use super::{Lane, Purse, SignedIn, sign};
use crate::collections::RIGHT_READ;
use crate::{Account, Chain, SdkError};

/// A voucher and a reader key are valid for so many seconds.
const VALID_SECONDS: u64 = 7 * 86_400;
/// What a gateway says where a voucher does not follow its lane.
const LANE_CODES: [&str; 3] = [code::REPLAYED, code::WRONG_AMOUNT, code::WRONG_LANE];

/// What was promised by one reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// In the token's smallest unit.
    pub amount: u128,
    /// Records that were charged.
    pub records: u64,
    /// Chunks whose secrets were given.
    pub chunks: u32,
}

/// Asks a gateway for the secrets of one collection's chunks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Keys {
    chain: Chain,
    identity: Identity,
    content: Collection,
    collection: CollectionId,
    /// Price of a record and who is paid, as the chain says.
    price: u128,
    payee: Address,
    usage_billing: Address,
    valid_until: u64,
    paying: Arc<Mutex<Paying>>,
    /// Of its own: a call that was given up may still hold the lock above.
    spent: Arc<SyncMutex<Spent>>,
}

#[derive(Debug)]
struct Paying {
    purse: Option<Purse>,
    signer: Account,
    lane: Lane,
}

impl Keys {
    /// Prepares to read a collection: a fresh reader key, the offer on chain, and the lane of the purse or a new one.
    /// Without a purse the account itself signs vouchers.
    ///
    /// # Errors
    /// An endpoint that does not answer; a purse of another account.
    pub async fn prepare(
        chain: &Chain,
        session: &SignedIn,
        collection: CollectionId,
        content: &Collection,
        purse: Option<Purse>,
    ) -> Result<Self, SdkError> {
        let deployment = chain.deployment();
        let account = session.account.address();
        if let Some(purse) = purse.as_ref().filter(|purse| purse.payer() != account) {
            return Err(SdkError::Terms(format!(
                "the spender key is of {}, not of {account}",
                purse.payer()
            )));
        }
        let offer = chain
            .call(deployment.access_token, &AccessToken::offerOfCall { collection: collection.0, right: 0 })
            .await?;
        let valid_until = chain.now().await?.saturating_add(VALID_SECONDS);
        let identity = Identity::new(chain, session, valid_until).await?;
        let signer = match &purse {
            Some(purse) => purse.key()?,
            None => session.account.clone(),
        };
        let gateway = session.gateway.info.signer;
        let kept = purse.as_ref().and_then(|purse| purse.lane(gateway, collection, offer.payee));
        let lane = match kept {
            Some(lane) => lane,
            None => new_lane(chain, session, collection, offer.payee).await?,
        };
        let valid_until = purse.as_ref().map_or(valid_until, |purse| valid_until.min(purse.expiry()));
        Ok(Self {
            chain: chain.clone(),
            identity,
            content: content.clone(),
            collection,
            price: offer.pricePerRecord,
            payee: offer.payee,
            usage_billing: deployment.usage_billing,
            valid_until,
            paying: Arc::new(Mutex::new(Paying { purse, signer, lane })),
            spent: Arc::default(),
        })
    }

    /// What this reader has promised so far.
    pub fn spent(&self) -> Spent {
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The secret of a chunk. It is asked for without payment first: what was paid before is given again.
    ///
    /// # Errors
    /// A refusal, with the gateway's reason; an answer that does not hold.
    pub async fn secret(&self, ordinal: u32) -> Result<ChunkSecret, SdkError> {
        // One at a time: promises of a lane build on one another.
        let mut paying = self.paying.lock().await;
        let free = KeyRequest { reader_key: self.identity.key.clone(), voucher: None };
        let answer = match self.ask(ordinal, &free).await {
            Err(SdkError::GatewayRefused(refusal)) if refusal.code == code::VOUCHER_REQUIRED => {
                match self.pay(&mut paying, ordinal, &refusal).await {
                    Err(SdkError::GatewayRefused(refusal)) if LANE_CODES.contains(&refusal.code.as_str()) => {
                        // Another reader used the lane, or a promise was written down and never sent.
                        tracing::debug!(code = refusal.code, "going on in a new lane");
                        paying.lane =
                            new_lane(&self.chain, &self.identity.session, self.collection, self.payee)
                                .await?;
                        self.pay(&mut paying, ordinal, &refusal).await?
                    }
                    other => other?,
                }
            }
            other => other?,
        };
        let secret = self.identity.open(RIGHT_READ, self.collection, &self.content, ordinal, &answer)?;
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).chunks += 1;
        Ok(secret)
    }

    async fn pay(&self, paying: &mut Paying, ordinal: u32, refusal: &Refusal) -> Result<KeyAnswer, SdkError> {
        let count = self.entry(ordinal)?.count;
        let due = self.price.saturating_mul(count.into());
        let asked = refusal.quote.filter(|quote| (quote.payee, quote.due.0) != (self.payee, due));
        if let Some(quote) = asked {
            return Err(self.identity.session.gateway.wire.failed(format!(
                "it asks {} for {} of chunk {ordinal}; by the offer on chain it is {due} for {}",
                quote.due.0, quote.payee, self.payee
            )));
        }
        let over = || SdkError::Terms("more was promised in this lane than there is money".into());
        let before = paying.lane;
        let after = Lane {
            amount: Text(before.amount.0.checked_add(due).ok_or_else(over)?),
            records: Text(before.records.0.checked_add(count.into()).ok_or_else(over)?),
            ..before
        };
        let voucher = self.voucher(paying, &after).await?;
        // Written before it leaves: whoever has the voucher can settle it.
        if let Some(purse) = &mut paying.purse {
            purse.note(after)?;
        }
        let request = KeyRequest { reader_key: self.identity.key.clone(), voucher: Some(voucher) };
        let answer = match self.ask(ordinal, &request).await {
            Err(SdkError::GatewayRefused(refusal)) => {
                // It was not taken: the next promise builds on what stood before.
                if let Some(purse) = &mut paying.purse {
                    purse.note(before)?;
                }
                return Err(SdkError::GatewayRefused(refusal));
            }
            other => other?,
        };
        paying.lane = after;
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.amount += due;
        spent.records += u64::from(count);
        Ok(answer)
    }

    async fn voucher(&self, paying: &Paying, after: &Lane) -> Result<VoucherUpload, SdkError> {
        let info = &self.identity.session.gateway.info;
        let message = UsageVoucher {
            payer: self.identity.session.account.address(),
            payee: self.payee,
            collection: self.collection.0,
            lane: after.lane.0,
            amount: after.amount.0,
            records: after.records.0,
            validUntil: U40::saturating_from(self.valid_until),
            fromDeposit: false,
        };
        let domain = billing_domain(info.chain_id, self.usage_billing);
        let signature = sign(&paying.signer, message.eip712_signing_hash(&domain)).await?;
        Ok(VoucherUpload {
            payee: self.payee,
            lane: after.lane,
            amount: after.amount,
            records: after.records,
            valid_until: self.valid_until,
            from_deposit: false,
            signer: paying.signer.address(),
            signature,
        })
    }

    async fn ask(&self, ordinal: u32, request: &KeyRequest) -> Result<KeyAnswer, SdkError> {
        let path = format!("/v1/collections/{}/chunks/{ordinal}/key", self.collection);
        self.identity.ask(&path, request).await
    }

    fn entry(&self, ordinal: u32) -> Result<&offsetdata_protocol::manifest::ChunkEntry, SdkError> {
        let missing = || SdkError::Terms(format!("the collection has no chunk {ordinal}"));
        self.content.chunks().get(ordinal as usize).ok_or_else(missing)
    }
}

/// A lane that nobody used: what a gateway says of a lane's past needs no belief then.
async fn new_lane(
    chain: &Chain,
    session: &SignedIn,
    collection: CollectionId,
    payee: Address,
) -> Result<Lane, SdkError> {
    let gateway = session.gateway.info.signer;
    let payer = session.account.address();
    loop {
        let lane = lane(gateway, u32::from_be_bytes(random()?));
        let call = UsageBilling::settledOfCall { payer, payee, collection: collection.0, lane };
        if chain.call(chain.deployment().usage_billing, &call).await? == U256::ZERO {
            return Ok(Lane {
                gateway,
                collection,
                payee,
                lane: Text(lane),
                amount: Text(0),
                records: Text(0),
            });
        }
    }
}
