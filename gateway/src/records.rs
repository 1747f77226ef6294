//! Records with salts and proofs over HTTP, for readers without IPFS. Charged by chunk, as keys are; previews and public
//! collections are free. A chunk that cannot be opened is not charged for.

use alloy::primitives::{Address, Bytes};
use offsetdata_protocol::chunk::OpenChunk;
use offsetdata_protocol::gateway_api::{
    Base64, CollectionInfo, MAX_RECORDS, MAX_RECORDS_BYTES, MeteredOffer, ProvenRecord, RecordsAnswer,
    RecordsRequest, Text, code,
};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::manifest::Manifest;

use crate::catalog::Served;
use crate::context::Shared;
use crate::proof::Prover;
use crate::{GatewayError, Refused};

impl Shared {
    /// What the gateway says of a collection.
    ///
    /// # Errors
    /// `unknownCollection`, `notAtHand`.
    pub async fn describe(&self, id: CollectionId) -> Result<CollectionInfo, Refused> {
        let served = self.served(id).await?;
        let offer = self.offer_of(id).await?;
        Ok(CollectionInfo {
            collection: id.0,
            content_root: served.state.content_root.into(),
            record_count: served.state.record_count,
            chunk_count: u32::try_from(served.collection.chunks().len()).unwrap_or(u32::MAX),
            manifest: Manifest::cid(served.state.manifest_digest.into()).to_string(),
            public: served.is_public(),
            preview_records: served.preview_records(),
            metered: offer
                .metered
                .then_some(MeteredOffer { price_per_record: Text(offer.pricePerRecord), payee: offer.payee }),
        })
    }

    /// Records from `first` to the end of its chunk, or as many as are wanted and allowed. Without an account: of public
    /// collections and previews only.
    ///
    /// # Errors
    /// As [`Shared::release_key`]; `notInCollection`, `noSession`.
    pub async fn records(
        &self,
        account: Option<Address>,
        id: CollectionId,
        request: &RecordsRequest,
        now: u64,
    ) -> Result<RecordsAnswer, Refused> {
        if !(1..=MAX_RECORDS).contains(&request.count) {
            let detail = format!("count is 1 to {MAX_RECORDS}, got {}", request.count);
            return Err(Refused::new(code::MALFORMED, detail));
        }
        let served = self.served(id).await?;
        let ordinal = served
            .collection
            .chunk_of(request.first)
            .map_err(|error| Refused::new(code::NOT_IN_COLLECTION, error.to_string()))?;
        if served.is_open(ordinal) {
            let chunk = self.open_chunk(&served, ordinal).await?;
            return answer(&served, ordinal, &chunk, request, 0);
        }
        let account = account.ok_or_else(|| {
            Refused::new(code::NO_SESSION, "these records are for accounts with a right: sign in")
        })?;
        let right = self.right_of(&served, ordinal, account, now).await?;
        self.require_use(&served, &right, account).await?;
        let chunk = self.open_chunk(&served, ordinal).await?;
        let voucher = request.voucher.as_ref();
        let charged = self.charge_for_records(&served, ordinal, account, &right, voucher, now).await?;
        answer(&served, ordinal, &chunk, request, charged)
    }

    async fn open_chunk(&self, served: &Served, ordinal: u32) -> Result<OpenChunk, Refused> {
        let entry = served.entry(ordinal)?.clone();
        let secret = served.secret(&entry)?;
        let bytes = self.blocks.get_file(&entry.cid, entry.size as usize).await?;
        let manifest = served.collection.manifest();
        let (visibility, series) = (manifest.visibility(), manifest.series);
        let opened = tokio::task::spawn_blocking(move || {
            OpenChunk::open(&entry, &secret, visibility, series, ordinal, bytes)
        });
        let opened = opened.await.map_err(|error| GatewayError::Io {
            what: format!("opening chunk {ordinal}"),
            source: std::io::Error::other(error),
        })?;
        opened.map_err(|error| {
            tracing::error!(collection = %served.state.id, ordinal, %error, "a chunk does not hold");
            Refused::new(code::NOT_AT_HAND, "the chunk that is at hand is not the one of the manifest")
                .again_after(60)
        })
    }
}

fn answer(
    served: &Served,
    ordinal: u32,
    chunk: &OpenChunk,
    request: &RecordsRequest,
    charged: u128,
) -> Result<RecordsAnswer, Refused> {
    let mut prover = Prover::new(served.collection.chunks(), ordinal as usize, chunk.leaves());
    let end = request.first.saturating_add(request.count).min(chunk.first() + chunk.len());
    let mut records = Vec::new();
    let mut room = MAX_RECORDS_BYTES;
    for index in request.first..end {
        let damaged = || Refused::new(code::FAULT, "a record of the chunk could not be proven");
        let record = chunk.record(index).ok_or_else(damaged)?;
        let bytes = record.as_bytes();
        if bytes.len() > room && !records.is_empty() {
            break;
        }
        room = room.saturating_sub(bytes.len());
        let at = (index - chunk.first()) as usize;
        records.push(ProvenRecord {
            index,
            record: Base64(bytes.to_vec()),
            salt: chunk.salt(index).map(|salt| Bytes::copy_from_slice(&salt.0)),
            leaf_hash: *chunk.leaves().get(at).ok_or_else(damaged)?,
            proof: prover.prove(index.into()).ok_or_else(damaged)?,
        });
    }
    Ok(RecordsAnswer {
        content_root: served.state.content_root.into(),
        record_count: served.state.record_count,
        chunk: ordinal,
        records,
        charged: Text(charged),
    })
}
