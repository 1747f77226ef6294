//! Publishes made-up records into a directory, going on where it was killed, and prints what came out and what it took.
//! It is what the kill test kills and the publish benchmark measures; it registers nothing.
//!
//! `publish_numbers DIR RECORDS BYTES CHUNK_RECORDS public|private [--no-journal|--kubo URL]`: with a URL the blocks go
//! to that Kubo node, and the journal into the directory.

use std::error::Error;
use std::time::Instant;

use offsetdata_content::blocks::Kubo;
use offsetdata_content::{Blocks, PublishOptions, Publisher};
use offsetdata_protocol::chunk::ChunkLimits;
use offsetdata_protocol::manifest::{Field, FieldKind, Visibility};
use offsetdata_protocol::record::{Record, Value};
use offsetdata_protocol::{Codec, CollectionKey, Digest, SeriesId};

/// Record `n`, `bytes` long or a little longer, of bytes that no compressor shortens.
fn record(n: u64, bytes: usize) -> Result<Record, Box<dyn Error>> {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut value = Vec::with_capacity(bytes);
    while value.len() < bytes.saturating_sub(20).max(1) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        value.extend_from_slice(&state.to_le_bytes());
    }
    Ok(Record::from_fields([("data", Value::Bytes(value)), ("n", Value::from(n))])?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, records, bytes, chunk, visibility, rest @ ..] = words.as_slice() else {
        return Err(
            "publish_numbers DIR RECORDS BYTES CHUNK_RECORDS public|private [--no-journal|--kubo URL]".into(),
        );
    };
    let (records, bytes): (u64, usize) = (records.parse()?, bytes.parse()?);
    let options = PublishOptions {
        series: SeriesId([7; 16]),
        key: CollectionKey::from_bytes([9; 32]),
        visibility: if visibility == "public" { Visibility::Public } else { Visibility::Private },
        preview_records: if visibility == "public" { 0 } else { 20 },
        limits: ChunkLimits { records: chunk.parse()?, ..ChunkLimits::default() },
        codec: Codec::Identity,
        fields: vec![Field::required("data", FieldKind::Bytes), Field::required("n", FieldKind::Integer)],
        licence: "CC0-1.0".into(),
        croissant: "{}".into(),
        quality_report: None,
    };
    let mut blocks = Blocks::directory(folder)?;
    if let [flag, url] = rest
        && flag == "--kubo"
    {
        blocks = blocks.with_kubo(Kubo::new(url, None)?);
    }
    let mut publisher = Publisher::new(blocks, options)?;
    if rest != ["--no-journal"] {
        publisher = publisher.resume(Digest::of(words[1..5].join(" ").as_bytes())).await?;
    }
    let resumed = publisher.len();
    let begun = Instant::now();
    for n in resumed..records {
        publisher.push(record(n, bytes)?.view()).await?;
    }
    let published = publisher.finish().await?;
    println!(
        "{{\"manifest\":\"{}\",\"root\":\"{}\",\"resumed\":{resumed},\"chunks\":{},\"seconds\":{:.3},\"peakRssKb\":{}}}",
        published.manifest_cid,
        published.content_root(),
        published.chunks,
        begun.elapsed().as_secs_f64(),
        peak_rss_kb(),
    );
    Ok(())
}

/// Most memory that was resident at one time, where the system tells.
fn peak_rss_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or_default()
}
