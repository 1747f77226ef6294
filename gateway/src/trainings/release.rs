//! Gives out a chunk's secret for a training: standing, trust, receipt, journal, then the key. The row stands before the
//! answer, with the very bytes of the answer, so that a retry after any death gets the same one.

use alloy::primitives::{Address, B256, Bytes};
use alloy::signers::SignerSync;
use alloy::sol_types::SolStruct;
use offsetdata_protocol::gateway_api::{
    KeyAnswer, SignedRelease, Text, TrainKeyAnswer, TrainKeyRequest, code,
};
use offsetdata_protocol::ids::{CollectionId, RequestId};
use offsetdata_protocol::manifest::ChunkEntry;
use offsetdata_protocol::merkle::RecordCount;
use offsetdata_protocol::messages::training_domain;
use offsetdata_protocol::seal::{ChunkPlace, SealedKey, SealingKey};
use offsetdata_store::gateway::trainings::{
    ReceiptRow, TrainingKeyRow, find_first_training_key, find_receipt, find_training, find_training_key,
    insert_training_key, most_records, put_receipt,
};
use offsetdata_store::{Count, StoreError};

use super::TRAIN;
use super::receipt::{self, Given};
use super::terms::{Training, span};
use crate::catalog::Served;
use crate::context::Shared;
use crate::{GatewayError, Refused, signature};

/// A receipt is looked at so many seconds after it came: when its request has ended it is landed.
pub(super) const LOOK_SECONDS: u64 = 2;

/// One call, with what was found for it.
struct Call<'a> {
    training: &'a Training,
    input: u32,
    ordinal: u32,
    served: &'a Served,
    entry: &'a ChunkEntry,
    body: &'a TrainKeyRequest,
}

impl Call<'_> {
    fn collection(&self) -> CollectionId {
        self.served.state.id
    }
    fn attempt(&self) -> u8 {
        self.training.assignment.attempt
    }
    fn reader_key(&self) -> B256 {
        B256::new(self.body.reader_key.public_key.0)
    }
}

impl Shared {
    /// Gives out a chunk's secret for a training.
    ///
    /// # Errors
    /// Each reason of [`code`] that is about trainings.
    pub async fn release_training_key(
        &self,
        account: Address,
        request: RequestId,
        input: u32,
        ordinal: u32,
        body: &TrainKeyRequest,
        now: u64,
    ) -> Result<TrainKeyAnswer, Refused> {
        let mut conn = self.pool.acquire().await?;
        let row = find_training(&mut conn, request, body.attempt).await?.ok_or_else(|| {
            let detail = format!("attempt {} was not opened here: send its terms first", body.attempt);
            Refused::new(code::UNKNOWN_TRAINING, detail)
        })?;
        drop(conn);
        if row.worker != account {
            let detail = format!("attempt {} is of {}, not of {account}", row.attempt, row.worker);
            return Err(Refused::new(code::NOT_ASSIGNED, detail));
        }
        let training = Training::of_row(&row)?;
        let terms = training.input(input)?;
        let served = self.served(CollectionId(terms.collection)).await?;
        let records = RecordCount::new(served.state.record_count)?;
        let selected = span(input, terms, records)?;
        let entry = served.entry(ordinal)?;
        let end = entry.first.saturating_add(entry.count);
        if served.is_open(ordinal) {
            let detail = format!("chunk {ordinal} is open to everyone: its secret stands in the manifest");
            return Err(Refused::new(code::MALFORMED, detail));
        }
        if end <= selected.start || entry.first >= selected.end {
            let detail = format!(
                "chunk {ordinal} has records {} to {end}, the input takes {} to {}",
                entry.first, selected.start, selected.end
            );
            return Err(Refused::new(code::NOT_IN_COLLECTION, detail));
        }
        self.check_reader_key(account, &body.reader_key, now).await?;
        let head = self.require_running(&training, now).await?;
        self.require_trust(&training, terms, head).await?;
        let call = Call { training: &training, input, ordinal, served: &served, entry, body };
        self.check_receipt_signature(&call).await?;
        let row = self.give_for_training(&call, &selected, now).await?;
        answer(self.address(), &row)
    }

    async fn check_receipt_signature(&self, call: &Call<'_>) -> Result<(), Refused> {
        let receipt = &call.body.receipt;
        let message = call.training.receipt_message(
            call.input,
            call.collection(),
            receipt.records,
            receipt.records_root,
        );
        let domain = training_domain(self.deployment.chain_id, self.deployment.training_coordinator);
        let digest = message.eip712_signing_hash(&domain);
        let worker = call.training.assignment.worker;
        signature::require(&self.chain, "data receipt", worker, digest, &receipt.signature).await
    }

    async fn give_for_training(
        &self,
        call: &Call<'_>,
        selected: &std::ops::Range<u32>,
        now: u64,
    ) -> Result<TrainingKeyRow, Refused> {
        let (request, attempt, input) = (call.training.request, call.attempt(), call.input);
        let (ordinal, said) = (call.ordinal, &call.body.receipt);
        let mut conn = self.pool.acquire().await?;
        let before = find_receipt(&mut conn, request, attempt, input).await?;
        let first = find_first_training_key(&mut conn, request, attempt, input, ordinal).await?;
        let same = find_training_key(&mut conn, request, attempt, input, ordinal, call.reader_key()).await?;
        drop(conn);
        if let Some(row) = same {
            receipt::require(said, row.records, row.records_root.into())?;
            return Ok(row);
        }
        let given = match &first {
            // Given before, to another key of the worker: it signed for these records already.
            Some(row) => {
                receipt::require(said, row.records, row.records_root.into())?;
                None
            }
            None => Some(next(call, selected, before.as_ref())?),
        };
        let sealed = self.seal_for_training(call)?;
        let terms = call.training.input(input)?;
        let mut tx = self.pool.write().await?;
        let now_before = find_receipt(&mut tx, request, attempt, input).await?;
        let moved = now_before.as_ref().map(|row| row.records) != before.as_ref().map(|row| row.records);
        if given.is_some() && moved {
            return Err(Refused::new(code::TRY_AGAIN, "another call for this input was faster"));
        }
        let mut charged = 0;
        if let Some(given) = &given {
            let most = most_records(&mut tx, request, input).await?;
            let added = given.records().saturating_sub(most);
            charged = terms.pricePerRecord.saturating_mul(added.into());
            let paid = now_before.as_ref();
            let row = ReceiptRow {
                request,
                attempt,
                input,
                collection: call.collection(),
                worker: call.training.assignment.worker,
                payee: terms.payee,
                price: terms.pricePerRecord,
                next_index: given.next_index,
                records: given.records(),
                records_root: given.root().into(),
                frontier: given.frontier(),
                signature: said.signature.clone(),
                settled: paid.map_or(0, |row| row.settled),
                confirmed: paid.map_or(0, |row| row.confirmed),
                open: terms.pricePerRecord != 0,
                due_at: Count(now + LOOK_SECONDS),
                tries: 0,
                failure: None,
                updated_at: Count(now),
            };
            put_receipt(&mut tx, row).await?;
        }
        let mut row = TrainingKeyRow {
            request,
            attempt,
            input,
            chunk: ordinal,
            reader_key: call.reader_key(),
            account: call.training.assignment.worker,
            collection: call.collection(),
            records: said.records,
            records_root: said.records_root.into(),
            charged,
            key_digest: call.entry.key_digest.into(),
            sealed_secret: sealed,
            signature: Bytes::new(),
            released_at: Count(now),
        };
        let digest = release(self.address(), &row).message().eip712_signing_hash(&self.gateway_domain());
        let signature = self.signer.sign_hash_sync(&digest).map_err(GatewayError::from)?;
        row.signature = Bytes::copy_from_slice(&signature.as_bytes());
        match insert_training_key(&mut tx, row.clone()).await {
            Err(error) if error.is_duplicate() => {
                return Err(Refused::new(code::TRY_AGAIN, "the same call was faster"));
            }
            other => other?,
        }
        tx.commit().await.map_err(StoreError::from)?;
        self.metrics.released(row.charged);
        let (records, collection) = (row.records, row.collection);
        tracing::info!(%request, attempt, input, %collection, chunk = ordinal, records, "released for training");
        Ok(row)
    }

    fn seal_for_training(&self, call: &Call<'_>) -> Result<Bytes, Refused> {
        let secret = call.served.secret(call.entry)?;
        let place = ChunkPlace {
            chain_id: self.deployment.chain_id,
            collection: call.collection(),
            ordinal: call.ordinal,
            account: call.training.assignment.worker,
        };
        let sealed =
            place.seal(&secret, &call.body.reader_key.public_key, self.entropy()?).map_err(|_| {
                Refused::new(code::MALFORMED, "publicKey is no X25519 key that something can be sealed to")
            })?;
        Ok(Bytes::copy_from_slice(&sealed.0))
    }
}

/// How far the receipts come with this chunk, where the receipt says so: the chunk is the next one that needs a key.
fn next(
    call: &Call<'_>,
    selected: &std::ops::Range<u32>,
    before: Option<&ReceiptRow>,
) -> Result<Given, Refused> {
    let mut given = before.map_or_else(|| Ok(Given::nothing()), Given::of_row)?;
    let missing = given.missing(selected);
    if missing >= call.entry.first.saturating_add(call.entry.count) {
        // Only chunks that were open when they were passed over get here.
        let detail = format!("chunk {} was passed over: chunks are asked for in rising order", call.ordinal);
        return Err(Refused::new(code::WRONG_RECEIPT, detail));
    }
    if missing < call.entry.first {
        let skipped = call.served.collection.chunk_of(missing)?;
        if let Some(closed) = (skipped..call.ordinal).find(|ordinal| !call.served.is_open(*ordinal)) {
            let detail = format!(
                "chunk {closed} comes before chunk {}: chunks are asked for in rising order, so that a receipt says \
                 nothing that was not given",
                call.ordinal
            );
            return Err(Refused::new(code::WRONG_RECEIPT, detail));
        }
    }
    given.extend(selected, call.entry.first.saturating_add(call.entry.count));
    receipt::require(&call.body.receipt, given.records(), given.root())?;
    Ok(given)
}

fn release(gateway: Address, row: &TrainingKeyRow) -> SignedRelease {
    SignedRelease {
        gateway,
        account: row.account,
        collection: row.collection.0,
        right: TRAIN,
        chunk: row.chunk,
        key_digest: row.key_digest.into(),
        reader_key: SealingKey(row.reader_key.0),
        lane: Text(0),
        charged: Text(row.charged),
        released_at: row.released_at.0,
        signature: row.signature.clone(),
    }
}

fn answer(gateway: Address, row: &TrainingKeyRow) -> Result<KeyAnswer, Refused> {
    let sealed = <[u8; SealedKey::LEN]>::try_from(row.sealed_secret.as_ref())
        .map_err(|_| Refused::new(code::FAULT, "the gateway's journal is damaged"))?;
    Ok(KeyAnswer { sealed_secret: SealedKey(sealed), release: release(gateway, row) })
}
