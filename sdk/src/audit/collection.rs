//! Audits a collection: registration, manifest, pages, chunks, single records, ranges, versions and flags.
//! It needs the key of a private collection to look into its chunks; without one it says that it did not.

use std::ops::Range;

use futures::StreamExt;
use offsetdata_content::collection::{CHUNKS_AHEAD, OnChain};
use offsetdata_content::{Blocks, Collection, ContentError, Keys};
use offsetdata_protocol::Digest;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::manifest::Manifest;
use offsetdata_protocol::merkle::{RecordCount, verify_inclusion};
use serde_json::{Value, json};

use super::blocks::judge;
use super::history;
use super::{Report, State};
use crate::{Chain, SdkError, collections};

/// Blocks that are named one by one where many are missing or false.
const NAMED: usize = 20;

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// What opens a private collection; a public one needs none.
    pub keys: Keys,
    /// Records that are to be proven in, by the contract too.
    pub indices: Vec<u32>,
    /// Ranges whose chunks are to be named.
    pub ranges: Vec<Range<u32>>,
    /// Leaves chunks that no index asks for unread.
    pub skip_scan: bool,
}

/// Audits a collection. `progress` hears how many of how many chunks were read.
///
/// # Errors
/// An endpoint that does not answer, or an id that it does not know. What does not hold is in the report.
pub async fn audit(
    chain: &Chain,
    blocks: &Blocks,
    id: CollectionId,
    question: &Question,
    mut progress: impl FnMut(u32, u32),
) -> Result<Report, SdkError> {
    let mut report = Report::default();
    let registration = collections::registration(chain, id).await?;
    let terms = &registration.terms;
    let facts = collections::facts(chain, id).await?;
    let on_chain = OnChain {
        manifest_digest: Digest(terms.manifestDigest.0),
        content_root: offsetdata_protocol::Root(terms.contentRoot.0),
        record_count: RecordCount::new(terms.recordCount)?,
    };
    let agrees = facts.on_chain == on_chain;
    let data = json!({
        "registrant": registration.registrant,
        "publisher": facts.publisher,
        "block": registration.block,
        "transaction": registration.transaction,
        "contentRoot": on_chain.content_root,
        "records": on_chain.record_count,
        "manifest": Manifest::cid(on_chain.manifest_digest).to_string(),
        "registeredAt": facts.registered_at,
        "retired": facts.retired,
    });
    let says = if agrees {
        let retired = if facts.retired { ", retired since" } else { "" };
        format!(
            "{} registered {} records with root {}{retired}; the id is the hash of these terms",
            registration.registrant, terms.recordCount, on_chain.content_root
        )
    } else {
        "the registry's state is not what its event says".to_owned()
    };
    report.add("registration", if agrees { State::Proven } else { State::Failed }, says, data);

    let content = open(blocks, on_chain, &mut report).await;
    if let Some(content) = content {
        let content = content.with_keys(question.keys.clone());
        if !question.skip_scan {
            scan(&content, &mut report, &mut progress).await;
        }
        for index in &question.indices {
            record(chain, id, &content, *index, &mut report).await?;
        }
        for range in &question.ranges {
            range_of(&content, range.clone(), &mut report);
        }
        history::versions(chain, blocks, id, &registration, Some(&content), &mut report).await?;
    } else {
        for about in question.indices.iter().map(|index| format!("record {index}")) {
            report.add(about, State::Unavailable, "UNAVAILABLE: without manifest and pages", Value::Null);
        }
        history::versions(chain, blocks, id, &registration, None, &mut report).await?;
    }
    history::words_of_others(chain, id, &mut report).await?;
    Ok(report)
}

/// Manifest and pages, which alone show that the chunks they name make the root.
async fn open(blocks: &Blocks, on_chain: OnChain, report: &mut Report) -> Option<Collection> {
    let manifest_cid = Manifest::cid(on_chain.manifest_digest);
    match Collection::open(blocks.clone(), on_chain).await {
        Ok(content) => {
            let manifest = content.manifest();
            let data = json!({
                "block": manifest_cid.to_string(),
                "licence": manifest.licence,
                "series": manifest.series,
                "private": manifest.public_key.is_none(),
                "previewRecords": content.open_records(),
                "fields": manifest.fields,
            });
            let seen = match manifest.public_key {
                Some(_) => "public".to_owned(),
                None => format!("private, {} records of it open to all", content.open_records()),
            };
            report.add(
                "manifest",
                State::Proven,
                format!("{manifest_cid} has the digest on chain; {seen}"),
                data,
            );
            let licence = format!("{}, fixed by the manifest's digest on chain", manifest.licence);
            report.add("licence", State::Proven, licence, json!({ "licence": manifest.licence }));
            let (pages, chunks) = (manifest.pages.len(), content.chunk_count());
            let says = format!("{pages} pages with {chunks} chunks make the content root on chain");
            report.add("pages", State::Proven, says, json!({ "pages": pages, "chunks": chunks }));
            Some(content)
        }
        Err(error) => {
            let of_manifest = match &error {
                ContentError::NotFound { cid } | ContentError::Changed { cid, .. } => *cid == manifest_cid,
                _ => false,
            };
            let about = if of_manifest { "manifest" } else { "pages" };
            let (state, says, data) = judge(&error, about);
            report.add(about, state, says, data);
            let says = "UNAVAILABLE: manifest and pages, which say where they are, could not be read";
            report.add("chunks", State::Unavailable, says, Value::Null);
            None
        }
    }
}

/// Reads every chunk: opened where there is a key, else its ciphertext.
async fn scan(content: &Collection, report: &mut Report, progress: &mut impl FnMut(u32, u32)) {
    let chunks = content.chunk_count();
    let looked = futures::stream::iter(0..chunks).map(|ordinal| async move {
        match content.secret(ordinal) {
            Ok(secret) => content.open_chunk_with(ordinal, secret).await.map(|chunk| chunk.len()),
            Err(ContentError::NoKey { .. }) => content.ciphertext(ordinal).await.map(|_| 0),
            Err(error) => Err(error),
        }
    });
    let mut looked = std::pin::pin!(looked.buffered(CHUNKS_AHEAD));
    let (mut ordinal, mut opened, mut closed, mut wrong) = (0, 0u32, 0u32, 0usize);
    while let Some(result) = looked.next().await {
        match result {
            Ok(0) => closed += 1,
            Ok(records) => opened += records,
            Err(error) => {
                wrong += 1;
                if wrong <= NAMED {
                    let (first, last) = content
                        .chunks()
                        .get(ordinal as usize)
                        .map_or((0, 0), |chunk| (chunk.first, chunk.first + chunk.count - 1));
                    let place = format!("chunk {ordinal} (records {first} to {last})");
                    let (state, says, mut data) = judge(&error, &place);
                    if !data.is_object() {
                        data = json!({});
                    }
                    if let Some(data) = data.as_object_mut() {
                        data.insert("chunk".into(), json!(ordinal));
                        data.insert("first".into(), json!(first));
                        data.insert("last".into(), json!(last));
                    }
                    report.add("chunks", state, says, data);
                }
            }
        }
        ordinal += 1;
        progress(ordinal, chunks);
    }
    if wrong > NAMED {
        let says = format!("{} more chunks are missing or do not hold", wrong - NAMED);
        report.add("chunks", State::Unavailable, says, json!({ "unnamed": wrong - NAMED }));
    }
    let data = json!({ "recordsVerified": opened, "chunksClosed": closed, "chunksWrong": wrong });
    if opened > 0 {
        let says = format!("{opened} of {} records were read, each under the root on chain", content.len());
        report.add("records", State::Proven, says, data.clone());
    }
    if closed > 0 {
        let says = format!(
            "{closed} of {chunks} chunks are private and their keys were not given: their ciphertexts have the \
             digests of the pages, and nothing more is known of them"
        );
        report.add("records", State::Closed, says, data);
    }
}

/// Proves a record in, by what was read and by the contract.
async fn record(
    chain: &Chain,
    id: CollectionId,
    content: &Collection,
    index: u32,
    report: &mut Report,
) -> Result<(), SdkError> {
    let about = format!("record {index}");
    let count = content.len();
    if index >= count {
        let says = format!("the collection has {count} records: none has this index");
        report.add(about, State::Failed, says, json!({ "index": index, "records": count }));
        return Ok(());
    }
    let ordinal = content.chunk_of(index)?;
    let chunk = match content.open_chunk(ordinal).await {
        Ok(chunk) => chunk,
        Err(error) => {
            let (state, says, data) = judge(&error, &format!("chunk {ordinal}"));
            report.add(about, state, says, data);
            return Ok(());
        }
    };
    let proof = content.inclusion_proof(index, &chunk)?;
    let leaf = chunk.leaves().get((index - chunk.first()) as usize).copied().unwrap_or_default();
    let root = &content.manifest().content_root;
    let proven = verify_inclusion(root, count.into(), index.into(), &leaf, &proof).is_ok();
    let (confirmed, gas) = collections::verify_record(chain, id, index, Digest(leaf.0), &proof).await?;
    let holds = proven && confirmed;
    let data = json!({
        "index": index,
        "chunk": ordinal,
        "leaf": leaf,
        "salt": chunk.salt(index),
        "proof": proof,
        "contract": confirmed,
        "gas": gas,
    });
    let says = if holds {
        format!(
            "is in chunk {ordinal}; {} hashes lead to the root, and the contract confirms it",
            proof.len()
        )
    } else {
        format!("is not confirmed: by the proof {proven}, by the contract {confirmed}")
    };
    report.add(about, if holds { State::Proven } else { State::Failed }, says, data);
    Ok(())
}

/// Names the chunks that hold a range. The pages prove it, as they make the root.
fn range_of(content: &Collection, range: Range<u32>, report: &mut Report) {
    let about = format!("range {}..{}", range.start, range.end);
    let ordinals = match content.chunks_of(range.clone()) {
        Ok(ordinals) => ordinals,
        Err(error) => {
            report.add(about, State::Failed, error.to_string(), Value::Null);
            return;
        }
    };
    let named = ordinals.clone().zip(&content.chunks()[ordinals.start as usize..ordinals.end as usize]);
    let chunks: Vec<Value> = named
        .map(|(ordinal, chunk)| {
            json!({
                "chunk": ordinal,
                "first": chunk.first,
                "last": chunk.first + chunk.count - 1,
                "block": chunk.cid.to_string(),
                "digest": chunk.digest,
            })
        })
        .collect();
    let says = match ordinals.end.checked_sub(1) {
        Some(last) if last > ordinals.start => format!("is in chunks {} to {last}", ordinals.start),
        Some(last) if last == ordinals.start => format!("is in chunk {last}"),
        _ => "is empty".to_owned(),
    };
    report.add(
        about,
        State::Proven,
        says,
        json!({ "first": range.start, "end": range.end, "chunks": chunks }),
    );
}
