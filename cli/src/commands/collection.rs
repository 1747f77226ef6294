//! `offsetdata collection`: what the chain says of collections, whether their bytes hold, and what a publisher and the
//! keeper of blocks do with them.

mod append;
mod blocks;
mod car;
mod key;
mod usage;

use std::path::PathBuf;

use alloy::primitives::{Address, B256};
use anyhow::ensure;
use futures::StreamExt;
use offsetdata_content::{Collection as Content, Keys};
use offsetdata_protocol::Digest;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::manifest::Manifest;
use offsetdata_protocol::merkle::Tree;
use offsetdata_sdk::collections::{self, CollectionFacts};
use offsetdata_sdk::{Chain, Recovery};
use serde_json::json;

use crate::context::Settings;
use crate::output;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Collection {
    /// List the collections on chain
    #[command(after_help = "Example: offsetdata collection list --publisher 0x70…

It reads the chain's log, and needs no indexer.")]
    List {
        /// Only those that this account registered
        #[arg(long)]
        publisher: Option<Address>,
    },
    /// Show what the chain says of a collection
    #[command(after_help = "Example: offsetdata collection show 0x1f…")]
    Show {
        /// The collection
        id: CollectionId,
    },
    /// Read every record and hold it against the root on chain
    #[command(after_help = "Example: offsetdata collection verify 0x1f… --on-chain 10

Every record is read from the block store and verified against the root that the chain remembers. With --on-chain N,
N records spread over the collection are also verified by the contract itself.")]
    Verify {
        /// The collection
        id: CollectionId,
        /// Let the contract verify so many records
        #[arg(long, default_value_t = 0)]
        on_chain: u32,
        /// The publisher's recovery file, to open a private collection
        #[arg(long, value_name = "FILE")]
        recovery: Option<PathBuf>,
    },
    /// Show who used a collection for what: readers, trainings with their receipts, money
    #[command(after_help = "Example: offsetdata collection usage 0x1f… --json

It comes from the indexer. What a gateway has not settled yet is in `offsetdata billing sales`.")]
    Usage {
        /// The collection
        id: CollectionId,
    },
    /// Publish the next version: records are appended, and what is there stays byte for byte
    #[command(
        after_help = "Example: offsetdata collection append 0x1f… more.jsonl --name Mails --licence CC0-1.0 --as dev:1

The name is that of the collection. The new version is registered, and the contract checks that it only appends."
    )]
    Append(Box<append::Append>),
    /// Seal the key of a private collection to gateways
    #[command(subcommand)]
    Key(key::Key),
    /// Keep a collection's blocks
    #[command(after_help = "Example: offsetdata collection pin 0x1f…")]
    Pin {
        /// The collection
        id: CollectionId,
    },
    /// Leave a collection's blocks to garbage collection
    #[command(after_help = "Example: offsetdata collection unpin 0x1f…")]
    Unpin {
        /// The collection
        id: CollectionId,
    },
    /// Delete blocks that no pinned collection needs
    #[command(after_help = "Example: offsetdata collection gc --dry-run

What was published is pinned. Copies that were fetched from gateways are not.")]
    Gc(blocks::Gc),
    /// Write a collection into one CAR file, which any IPFS program opens
    #[command(after_help = "Example: offsetdata collection export-car 0x1f… -o mails.car

The file is CARv1, depth first, its root is the manifest. Chunks stay encrypted. Of a CID no chain is asked.")]
    ExportCar(car::Export),
    /// Read a collection, or a file, from a CAR file into the block store, and pin it
    #[command(after_help = "Example: offsetdata collection import-car mails.car

The file is verified whole before a block of it is stored: what is refused leaves nothing behind.")]
    ImportCar(car::Import),
}

impl Collection {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        match self {
            Self::List { publisher } => list(&settings, publisher).await,
            Self::Show { id } => show(&settings, id).await,
            Self::Verify { id, on_chain, recovery } => verify(&settings, id, on_chain, recovery).await,
            Self::Usage { id } => usage::usage(&settings, id).await,
            Self::Append(command) => command.run(settings).await,
            Self::Key(command) => command.run(settings).await,
            Self::Pin { id } => blocks::pin(settings, id, true).await,
            Self::Unpin { id } => blocks::pin(settings, id, false).await,
            Self::Gc(command) => command.run(settings).await,
            Self::ExportCar(command) => command.run(settings).await,
            Self::ImportCar(command) => command.run(settings).await,
        }
    }
}

async fn list(settings: &Settings, publisher: Option<Address>) -> anyhow::Result<()> {
    let found = collections::list(&settings.chain().await?, publisher).await?;
    let rows: Vec<_> = found
        .iter()
        .map(|(id, records, publisher)| json!({ "id": id, "records": records, "publisher": publisher }))
        .collect();
    output::print(settings.json, &json!({ "collections": rows }), || {
        let lines = found.iter().map(|(id, records, publisher)| format!("{id}  {records:>7}  {publisher}\n"));
        lines.collect()
    });
    Ok(())
}

async fn show(settings: &Settings, id: CollectionId) -> anyhow::Result<()> {
    let facts = collections::facts(&settings.chain().await?, id).await?;
    // What the manifest says is shown where its blocks are at hand.
    let content = Content::open(settings.blocks()?, facts.on_chain).await;
    let manifest = Manifest::cid(facts.on_chain.manifest_digest).to_string();
    let records = facts.on_chain.record_count.get();
    let root = B256::from(facts.on_chain.content_root.0);
    let mut value = json!({
        "id": facts.id,
        "publisher": facts.publisher,
        "records": records,
        "root": root,
        "manifest": manifest,
        "registeredAt": facts.registered_at,
        "retired": facts.retired,
    });
    if let (Ok(content), Some(value)) = (&content, value.as_object_mut()) {
        let manifest = content.manifest();
        value.insert("private".into(), json!(manifest.public_key.is_none()));
        value.insert("openRecords".into(), json!(content.open_records()));
        value.insert("chunks".into(), json!(content.chunk_count()));
        value.insert("licence".into(), json!(manifest.licence));
        value.insert("fields".into(), json!(manifest.fields));
    }
    output::print(settings.json, &value, || {
        let retired = if facts.retired { ", retired" } else { "" };
        let mut text = format!(
            "collection  {}\npublisher   {}\nrecords     {records}{retired}\nroot        {root}\nmanifest    {manifest}",
            facts.id, facts.publisher
        );
        match &content {
            Ok(content) => {
                let seen = match content.open_records() {
                    open if open == content.len() => "everyone".to_owned(),
                    0 => "whoever has keys".to_owned(),
                    open => format!("everyone the first {open}, the rest whoever has keys"),
                };
                text += &format!("\nlicence     {}\nreadable by {seen}", content.manifest().licence);
            }
            Err(error) => text += &format!("\ncontent     {error}"),
        }
        text
    });
    Ok(())
}

async fn verify(
    settings: &Settings,
    id: CollectionId,
    on_chain: u32,
    recovery: Option<PathBuf>,
) -> anyhow::Result<()> {
    let chain = settings.chain().await?;
    let facts = collections::facts(&chain, id).await?;
    let keys = match recovery {
        Some(path) => Keys::Collection(Recovery::read(&path)?.key),
        None => Keys::Published,
    };
    let content = Content::open(settings.blocks()?, facts.on_chain).await?.with_keys(keys);
    let bar = output::bar(u64::from(content.len()), "verifying");
    let mut leaves = Vec::with_capacity(content.len() as usize);
    let mut chunks = std::pin::pin!(content.stream());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        bar.inc(u64::from(chunk.len()));
        leaves.extend_from_slice(chunk.leaves());
    }
    bar.finish_and_clear();
    let tree = Tree::new(leaves);
    let actual = tree.root();
    let expected = facts.on_chain.content_root;
    ensure!(actual == expected, "the records make root {actual:?}, the chain has {expected:?}");
    let gas = by_contract(&chain, &facts, &tree, on_chain).await?;
    let value = json!({
        "id": id,
        "verified": content.len(),
        "verifiedOnChain": gas.len(),
        "verifyGas": gas.iter().max(),
        "root": B256::from(expected.0),
    });
    output::print(settings.json, &value, || {
        let mut text = format!("{} records hold against the root on chain", content.len());
        if let Some(most) = gas.iter().max() {
            text += &format!("\n{} of them verified by the contract, at most {most} gas each", gas.len());
        }
        text
    });
    Ok(())
}

/// Lets the contract verify `count` records, spread evenly; the gas of each.
async fn by_contract(
    chain: &Chain,
    facts: &CollectionFacts,
    tree: &Tree,
    count: u32,
) -> anyhow::Result<Vec<u64>> {
    let records = facts.on_chain.record_count.get();
    let mut gas = Vec::new();
    for i in 0..count.min(records) {
        let index = u32::try_from(u64::from(i) * u64::from(records) / u64::from(count.min(records)))?;
        let Some(leaf) = tree.leaf(index.into()) else { continue };
        let proof = tree.inclusion_proof(index.into())?;
        let (holds, cost) =
            collections::verify_record(chain, facts.id, index, Digest(leaf.0), &proof).await?;
        ensure!(holds, "the contract does not confirm record {index}");
        // A leaf that is not the record's has to be refused, or the check would say nothing.
        let mut other = leaf.0;
        other[0] ^= 1;
        let (holds, _) = collections::verify_record(chain, facts.id, index, Digest(other), &proof).await?;
        ensure!(!holds, "the contract confirms a leaf at {index} that is not the record's");
        gas.push(cost);
    }
    Ok(gas)
}
