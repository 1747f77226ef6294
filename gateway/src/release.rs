//! Gives out a chunk's secret: right, voucher, journal, then the key. The row stands before the answer, with the very
//! bytes of the answer, so that a retry after any death gets the same one and is charged nothing.

use alloy::primitives::{Address, B256, Bytes};
use alloy::signers::SignerSync;
use alloy::sol_types::SolStruct;
use offsetdata_protocol::gateway_api::{
    Basis, ChunkQuote, KeyAnswer, KeyRequest, ReaderKeyUpload, SignedRelease, Text, VoucherUpload, code,
};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::manifest::ChunkEntry;
use offsetdata_protocol::messages::ReaderKey;
use offsetdata_protocol::seal::{ChunkPlace, SealedKey, SealingKey};
use offsetdata_store::gateway::releases::{ReleaseRow, find_charge, find_release, insert_release};
use offsetdata_store::gateway::signed::find_use;
use offsetdata_store::{Count, StoreError};

use crate::catalog::Served;
use crate::charge::price;
use crate::context::Shared;
use crate::rights::{READ, Right};
use crate::voucher::{Price, uint40};
use crate::{GatewayError, Refused, signature};

/// A reader key may be valid for so many seconds at most.
const READER_KEY_SECONDS: u64 = 366 * 86_400;

/// What an answer is made of, before it is written down.
struct Draft<'a> {
    account: Address,
    collection: CollectionId,
    ordinal: u32,
    entry: &'a ChunkEntry,
    /// Zero where records are given instead of a key.
    reader_key: SealingKey,
    sealed: Bytes,
}

impl Shared {
    /// Gives out a chunk's secret.
    ///
    /// # Errors
    /// Each reason of [`code`] that is about keys.
    pub async fn release_key(
        &self,
        account: Address,
        collection: CollectionId,
        ordinal: u32,
        request: &KeyRequest,
        now: u64,
    ) -> Result<KeyAnswer, Refused> {
        let served = self.served(collection).await?;
        let entry = served.entry(ordinal)?;
        self.check_reader_key(account, &request.reader_key, now).await?;
        let right = self.right_of(&served, ordinal, account, now).await?;
        self.require_use(&served, &right, account).await?;
        let secret = served.secret(entry)?;
        let reader_key = request.reader_key.public_key;
        let place = ChunkPlace { chain_id: self.deployment.chain_id, collection, ordinal, account };
        let sealed = place.seal(&secret, &reader_key, self.entropy()?).map_err(|_| {
            Refused::new(code::MALFORMED, "publicKey is no X25519 key that something can be sealed to")
        })?;
        let sealed = Bytes::copy_from_slice(&sealed.0);
        let draft = Draft { account, collection, ordinal, entry, reader_key, sealed };
        let row = self.give(&draft, &right, request.voucher.as_ref(), now).await?;
        answer(self.address(), &row)
    }

    /// Charges for a chunk whose records are given, where it was not charged before. What this call charged.
    ///
    /// # Errors
    /// As [`Shared::release_key`].
    pub(crate) async fn charge_for_records(
        &self,
        served: &Served,
        ordinal: u32,
        account: Address,
        right: &Right,
        voucher: Option<&VoucherUpload>,
        now: u64,
    ) -> Result<u128, Refused> {
        let entry = served.entry(ordinal)?;
        let (collection, reader_key) = (served.state.id, SealingKey::default());
        let draft = Draft { account, collection, ordinal, entry, reader_key, sealed: Bytes::new() };
        let row = self.give(&draft, right, voucher, now).await?;
        Ok(row.charged)
    }

    /// What the chunk would cost the account now.
    ///
    /// # Errors
    /// `denied`, `noRight`.
    pub async fn quote(
        &self,
        account: Address,
        collection: CollectionId,
        ordinal: u32,
        now: u64,
    ) -> Result<ChunkQuote, Refused> {
        let served = self.served(collection).await?;
        let entry = served.entry(ordinal)?;
        let right = self.right_of(&served, ordinal, account, now).await?;
        let mut conn = self.pool.acquire().await?;
        let charged = find_charge(&mut conn, account, collection, ordinal).await?.is_some();
        let basis = match right.basis {
            Basis::Metered if charged => Basis::Charged,
            basis => basis,
        };
        let due = match basis {
            Basis::Metered => price(&right, account, collection, entry)?.due,
            _ => 0,
        };
        Ok(ChunkQuote {
            ordinal,
            first: entry.first,
            count: entry.count,
            due: Text(due),
            payee: right.offer.payee,
            basis,
        })
    }

    pub(crate) async fn check_reader_key(
        &self,
        account: Address,
        upload: &ReaderKeyUpload,
        now: u64,
    ) -> Result<(), Refused> {
        if upload.valid_until <= now || upload.valid_until > now + READER_KEY_SECONDS {
            let detail = format!(
                "the reader key is valid until {}, expected {} to {}",
                upload.valid_until,
                now + 1,
                now + READER_KEY_SECONDS
            );
            return Err(Refused::new(code::EXPIRED, detail));
        }
        let message = ReaderKey {
            account,
            publicKey: B256::new(upload.public_key.0),
            audience: self.audience.clone(),
            validUntil: uint40("validUntil", upload.valid_until)?,
        };
        let digest = message.eip712_signing_hash(&self.gateway_domain());
        signature::require(&self.chain, "reader key", account, digest, &upload.signature).await
    }

    /// A purchase that is refundable is used with the holder's word that it is used.
    pub(crate) async fn require_use(
        &self,
        served: &Served,
        right: &Right,
        account: Address,
    ) -> Result<(), Refused> {
        if right.basis != Basis::Token || right.access.refundUntil.is_zero() {
            return Ok(());
        }
        let since = right.access.since.to::<u64>();
        let mut conn = self.pool.acquire().await?;
        if find_use(&mut conn, served.state.id, account, since).await?.is_some() {
            return Ok(());
        }
        let detail = "the purchase is refundable: sign that it is used, and send that first";
        Err(Refused::new(code::USE_REQUIRED, detail).with_since(since))
    }

    /// Writes the release, and what pays for it, in one transaction.
    async fn give(
        &self,
        draft: &Draft<'_>,
        right: &Right,
        voucher: Option<&VoucherUpload>,
        now: u64,
    ) -> Result<ReleaseRow, Refused> {
        let (account, collection, ordinal) = (draft.account, draft.collection, draft.ordinal);
        let mut conn = self.pool.acquire().await?;
        let charged = find_charge(&mut conn, account, collection, ordinal).await?.is_some();
        drop(conn);
        let payment = match right.basis {
            Basis::Metered if !charged => {
                let price = price(right, account, collection, draft.entry)?;
                match (price.due, voucher) {
                    (0, _) => Some((price, None)),
                    (_, None) => return Err(self.voucher_required(&price).await?),
                    (_, Some(voucher)) => {
                        let funds = self.check_voucher(voucher, &price, now).await?;
                        Some((price, Some((voucher, funds))))
                    }
                }
            }
            _ => None,
        };
        let mut tx = self.pool.write().await?;
        let reader_key = B256::new(draft.reader_key.0);
        // Another call may have been faster than this one.
        let payment = match payment {
            Some(_) if find_charge(&mut tx, account, collection, ordinal).await?.is_some() => None,
            payment => payment,
        };
        if payment.is_none()
            && let Some(row) = find_release(&mut tx, account, collection, ordinal, reader_key).await?
        {
            // What was charged, was charged then.
            return Ok(ReleaseRow { charged: if draft.sealed.is_empty() { 0 } else { row.charged }, ..row });
        }
        if let Some((price, Some((voucher, funds)))) = &payment {
            self.take(&mut tx, voucher, funds, price, now).await?;
        }
        let row = self.signed_row(
            draft,
            payment.as_ref().map(|(price, with)| (price, with.as_ref().map(|with| with.0))),
            now,
        )?;
        insert_release(&mut tx, row.clone()).await?;
        tx.commit().await.map_err(StoreError::from)?;
        self.metrics.released(row.charged);
        tracing::info!(%account, %collection, chunk = ordinal, charged = row.charged, "released");
        Ok(row)
    }

    fn signed_row(
        &self,
        draft: &Draft<'_>,
        payment: Option<(&Price, Option<&VoucherUpload>)>,
        now: u64,
    ) -> Result<ReleaseRow, Refused> {
        let voucher = payment.and_then(|(_, voucher)| voucher);
        let mut row = ReleaseRow {
            account: draft.account,
            collection: draft.collection,
            chunk: draft.ordinal,
            reader_key: B256::new(draft.reader_key.0),
            paid: payment.is_some(),
            payee: payment.map_or(Address::ZERO, |(price, _)| price.payee),
            lane: voucher.map_or(0, |voucher| voucher.lane.0),
            charged: payment.map_or(0, |(price, _)| price.due),
            lane_amount: voucher.map_or(0, |voucher| voucher.amount.0),
            key_digest: draft.entry.key_digest.into(),
            sealed_secret: draft.sealed.clone(),
            signature: Bytes::new(),
            released_at: Count(now),
        };
        let digest = release(self.address(), &row).message().eip712_signing_hash(&self.gateway_domain());
        let signature = self.signer.sign_hash_sync(&digest).map_err(GatewayError::from)?;
        row.signature = Bytes::copy_from_slice(&signature.as_bytes());
        Ok(row)
    }
}

fn release(gateway: Address, row: &ReleaseRow) -> SignedRelease {
    SignedRelease {
        gateway,
        account: row.account,
        collection: row.collection.0,
        right: READ,
        chunk: row.chunk,
        key_digest: row.key_digest.into(),
        reader_key: SealingKey(row.reader_key.0),
        lane: Text(row.lane),
        charged: Text(row.charged),
        released_at: row.released_at.0,
        signature: row.signature.clone(),
    }
}

fn answer(gateway: Address, row: &ReleaseRow) -> Result<KeyAnswer, Refused> {
    let sealed = <[u8; SealedKey::LEN]>::try_from(row.sealed_secret.as_ref())
        .map_err(|_| Refused::new(code::FAULT, "the gateway's journal is damaged"))?;
    Ok(KeyAnswer { sealed_secret: SealedKey(sealed), release: release(gateway, row) })
}
