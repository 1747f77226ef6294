//! On which records: the inputs root from selection, split seed and counts, and the collections with their licences and
//! bytes. Of private collections without their key only the ciphertexts are looked at.

use futures::StreamExt;
use offsetdata_content::collection::CHUNKS_AHEAD;
use offsetdata_content::{Blocks, Collection, ContentError, Keys};
use offsetdata_protocol::Root;
use offsetdata_protocol::bindings::training::DataInput;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::merkle::{MAX_RECORDS, RootBuilder};
use offsetdata_protocol::selection::{SplitRule, inputs_leaf};
use serde_json::{Value, json};

use super::Question;
use super::case::Case;
use crate::audit::State;
use crate::audit::blocks::judge;
use crate::{SdkError, collections};

/// Blocks that are named one by one where many are missing or false.
const NAMED: usize = 20;
/// `SelectionKind` of the contract.
const ALL: u8 = 0;
const RANGE: u8 = 1;
const DIRECT: u8 = 3;

/// The indices that an input takes, where they follow from the terms alone.
pub(super) fn span(input: &DataInput) -> Option<std::ops::Range<u32>> {
    let taken = input.count.min(input.recordCap);
    let first = match input.selection {
        ALL | DIRECT => 0,
        RANGE => input.first,
        _ => return None,
    };
    let end = first.checked_add(taken).filter(|end| *end <= MAX_RECORDS)?;
    Some(first..end)
}

impl Case<'_> {
    /// Root over the records that the terms select, each with its part of the split; or why it can't be said.
    pub(super) fn inputs_root(&self) -> Result<Root, String> {
        let details = &self.details;
        let rule = SplitRule::new(details.splitSeed, details.validationBps, details.testBps)
            .map_err(|error| error.to_string())?;
        let mut tree = RootBuilder::new();
        for (position, input) in self.inputs.iter().enumerate() {
            let indices = span(input).ok_or_else(|| {
                format!("input {position} selects by a bitmap, whose bits stand in no statement")
            })?;
            let of = if input.selection == DIRECT { input.selectionRoot } else { input.collection };
            tree.extend(indices.map(|index| inputs_leaf(of, index, rule.split(index))));
        }
        Ok(tree.root())
    }

    /// Each collection: how it was registered, its licence, and its bytes as far as they were trained on.
    pub(super) async fn collections(
        &mut self,
        blocks: &Blocks,
        question: &Question,
        progress: &mut impl FnMut(u32, u32),
    ) -> Result<(), SdkError> {
        for (position, input) in self.inputs.clone().iter().enumerate() {
            let about = format!("collection {position}");
            if input.selection == DIRECT {
                let says = format!(
                    "{} records that the user brought, with content root {}; their licence is not on chain",
                    input.count, input.selectionRoot
                );
                self.report.add(about, State::Stated, says, json!({ "contentRoot": input.selectionRoot }));
                continue;
            }
            let id = CollectionId(input.collection);
            let registration = collections::registration(self.chain, id).await?;
            let facts = collections::facts(self.chain, id).await?;
            let taken = span(input);
            let says = match &taken {
                Some(taken) => format!(
                    "records {} to {} of {id}, registered by {}",
                    taken.start,
                    taken.end.saturating_sub(1),
                    registration.registrant
                ),
                None => format!("{} single records of {id}", input.count),
            };
            let data = json!({
                "collection": id,
                "registrant": registration.registrant,
                "publisher": facts.publisher,
                "contentRoot": facts.on_chain.content_root,
                "first": taken.as_ref().map(|taken| taken.start),
                "end": taken.as_ref().map(|taken| taken.end),
                "pricePerRecord": input.pricePerRecord.to_string(),
                "payee": input.payee,
            });
            self.report.add(about.clone(), State::Proven, says, data);
            let content = match Collection::open(blocks.clone(), facts.on_chain).await {
                Ok(content) => content,
                Err(error) => {
                    let (state, says, data) = judge(&error, &format!("manifest or pages of {id}"));
                    self.report.add(format!("licence {position}"), state, says, data);
                    continue;
                }
            };
            let licence = &content.manifest().licence;
            let says = format!("{licence}, fixed by the manifest's digest on chain");
            let data = json!({ "collection": id, "licence": licence });
            self.report.add(format!("licence {position}"), State::Proven, says, data);
            if question.skip_scan {
                continue;
            }
            let key = question.keys.iter().find(|key| content.verify_key(key).is_ok());
            let content = match key {
                Some(key) => content.with_keys(Keys::Collection(key.clone())),
                None => content,
            };
            let records = taken.unwrap_or(0..content.len());
            self.scan(&content, &format!("records {position}"), records, progress).await?;
        }
        Ok(())
    }

    async fn scan(
        &mut self,
        content: &Collection,
        about: &str,
        records: std::ops::Range<u32>,
        progress: &mut impl FnMut(u32, u32),
    ) -> Result<(), SdkError> {
        if records.is_empty() {
            return Ok(());
        }
        let chunks = content.chunks_of(records)?;
        let total = chunks.end - chunks.start;
        let looked = futures::stream::iter(chunks).map(|ordinal| async move {
            let result = match content.secret(ordinal) {
                Ok(secret) => content.open_chunk_with(ordinal, secret).await.map(|chunk| chunk.len()),
                Err(ContentError::NoKey { .. }) => content.ciphertext(ordinal).await.map(|_| 0),
                Err(error) => Err(error),
            };
            (ordinal, result)
        });
        let mut looked = std::pin::pin!(looked.buffered(CHUNKS_AHEAD));
        let (mut read, mut opened, mut closed, mut wrong) = (0, 0u32, 0u32, 0usize);
        while let Some((ordinal, result)) = looked.next().await {
            read += 1;
            progress(read, total);
            match result {
                Ok(0) => closed += 1,
                Ok(count) => opened += count,
                Err(error) => {
                    wrong += 1;
                    if wrong <= NAMED {
                        let entry = content.entry(ordinal)?;
                        let last = entry.first + entry.count.saturating_sub(1);
                        let place = format!("chunk {ordinal} (records {} to {last})", entry.first);
                        let (state, says, data) = judge(&error, &place);
                        self.report.add(about, state, says, data);
                    }
                }
            }
        }
        if wrong > NAMED {
            let says = format!("{} more chunks are missing or do not hold", wrong - NAMED);
            self.report.add(about, State::Unavailable, says, Value::Null);
        }
        if opened > 0 {
            let says = format!("{opened} records of the chunks were read, each under the root on chain");
            self.report.add(about, State::Proven, says, json!({ "recordsVerified": opened }));
        }
        if closed > 0 {
            let says = format!(
                "{closed} chunks are private: their ciphertexts have the digests of the pages, and without the key \
                 nothing more is known of them"
            );
            self.report.add(about, State::Closed, says, json!({ "chunksClosed": closed }));
        }
        Ok(())
    }
}
