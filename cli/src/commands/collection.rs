//! `offsetdata collection`: what the chain says of a collection, and whether its bytes hold.

use alloy::primitives::B256;
use anyhow::ensure;
use futures::StreamExt;
use offsetdata_content::Collection as Content;
use offsetdata_protocol::Digest;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::manifest::Manifest;
use offsetdata_protocol::merkle::Tree;
use offsetdata_sdk::Chain;
use offsetdata_sdk::collections::{self, CollectionFacts};
use serde_json::json;

use crate::context::Settings;
use crate::output;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Collection {
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
    },
}

impl Collection {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let chain = settings.chain().await?;
        match self {
            Self::Show { id } => show(&settings, &collections::facts(&chain, id).await?),
            Self::Verify { id, on_chain } => verify(&settings, &chain, id, on_chain).await?,
        }
        Ok(())
    }
}

fn show(settings: &Settings, facts: &CollectionFacts) {
    let manifest = Manifest::cid(facts.on_chain.manifest_digest).to_string();
    let records = facts.on_chain.record_count.get();
    let root = B256::from(facts.on_chain.content_root.0);
    let value = json!({
        "id": facts.id,
        "publisher": facts.publisher,
        "records": records,
        "root": root,
        "manifest": manifest,
        "registeredAt": facts.registered_at,
        "retired": facts.retired,
    });
    output::print(settings.json, &value, || {
        let retired = if facts.retired { ", retired" } else { "" };
        format!(
            "collection  {}\npublisher   {}\nrecords     {records}{retired}\nroot        {root}\nmanifest    {manifest}",
            facts.id, facts.publisher
        )
    });
}

async fn verify(settings: &Settings, chain: &Chain, id: CollectionId, on_chain: u32) -> anyhow::Result<()> {
    let facts = collections::facts(chain, id).await?;
    let content = Content::open(settings.blocks()?, facts.on_chain).await?;
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
    let gas = by_contract(chain, &facts, &tree, on_chain).await?;
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
