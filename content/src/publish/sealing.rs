//! Seals a chunk and writes its blocks, on a thread of its own. It syncs nothing: blocks are brought to disk together.

use offsetdata_protocol::chunk::ChunkBuilder;
use offsetdata_protocol::cid::RAW;
use offsetdata_protocol::manifest::ChunkEntry;

use super::PublishOptions;
use crate::ContentError;
use crate::blocks::destination::{Destination, Prepared};
use crate::blocks::file_blocks;

/// Where a chunk stands in its collection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) ordinal: u32,
    pub(super) first: u32,
}

/// A chunk whose blocks are written.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) entry: ChunkEntry,
    pub(super) staged: Vec<Prepared>,
    /// The builder, empty, to be used again.
    pub(super) builder: ChunkBuilder,
}

pub(super) fn seal(
    mut builder: ChunkBuilder,
    options: &PublishOptions,
    place: Place,
    destination: &Destination,
) -> Result<Sealed, ContentError> {
    let PublishOptions { key, visibility, series, codec, .. } = options;
    let sealed = builder.seal(key, *visibility, *series, place.ordinal, place.first, *codec)?;
    let mut staged = Vec::new();
    if sealed.entry.cid.codec() == RAW {
        staged.push(destination.stage(&sealed.entry.cid, &sealed.bytes)?);
    } else {
        let mut failed = None;
        file_blocks(&sealed.bytes, &mut |cid, block| match destination.stage(&cid, block) {
            Ok(block) => staged.push(block),
            Err(error) => failed = Some(error),
        });
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok(Sealed { entry: sealed.entry, staged, builder })
}
