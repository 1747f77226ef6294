//! `offsetdata fetch`: reads records of a collection, each verified, paid by the record where it has to be.

use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use futures::StreamExt;
use offsetdata_content::Keys as ContentKeys;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_sdk::gateway::{Keys, Purse, Spent, gateways_of};
use offsetdata_sdk::{Chain, Gateway, Reader, SdkError};
use serde_json::json;

use super::train::range;
use crate::context::Settings;
use crate::{dag_json, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  offsetdata fetch 0x… --out digits.jsonl
  offsetdata fetch 0x… --gateway http://127.0.0.1:8470 --purse reader.json --range 0..100 --as dev:6

Every record is held against the root on chain before it is given. What was paid for once is not paid again; what was read
stands in FILE even when the money ends on the way. Bytes are written as DAG-JSON does: {\"/\":{\"bytes\":\"…base64…\"}}.")]
pub(crate) struct Fetch {
    /// The collection
    collection: CollectionId,
    /// Records to read: FIRST..END, END not included; without it all
    #[arg(long, value_parser = range)]
    range: Option<Range<u32>>,
    /// Gateway that gives the keys of a private collection; without it one that its publisher names
    #[arg(long, env = "OFFSETDATA_GATEWAY_URL")]
    gateway: Option<String>,
    /// Spender key that pays (`offsetdata access take`); without it the account of --as signs
    #[arg(long, value_name = "FILE")]
    purse: Option<PathBuf>,
    /// Where to write them, as JSON Lines; without it they are only verified
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Fetch {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let (chain, blocks) = (settings.chain().await?, settings.blocks()?);
        let reader = Reader::open(&chain, blocks, self.collection, ContentKeys::default()).await?;
        let count = reader.content().len();
        let range = self.range.clone().unwrap_or(0..count);
        if range.end > count || range.is_empty() {
            bail!("the collection has the records 0..{count}, not {}..{}", range.start, range.end);
        }
        // What is open to everyone needs no key, and nobody to ask for one.
        let open = range.end <= reader.content().open_records();
        let gateway = match &self.gateway {
            _ if open => None,
            Some(url) => Some(url.clone()),
            None => self.named_gateway(&chain, &settings).await?,
        };
        let keys = match &gateway {
            None => None,
            Some(url) => {
                let session = Gateway::connect(url, &chain).await?.sign_in(&settings.account()?).await?;
                let purse = self.purse.as_deref().map(Purse::open).transpose()?;
                Some(Keys::prepare(&chain, &session, self.collection, reader.content(), purse).await?)
            }
        };
        let mut out = self.out.as_deref().map(create).transpose()?;
        let bar = output::bar(u64::from(range.end - range.start), "reading");
        let source = keys.clone();
        let records = reader.records_with(range, move |ordinal| {
            let keys = source.clone();
            async move {
                match keys {
                    Some(keys) => keys.secret(ordinal).await,
                    None => Err(SdkError::Terms(format!(
                        "chunk {ordinal} is private: name the gateway that sells it with --gateway"
                    ))),
                }
            }
        });
        let mut records = std::pin::pin!(records);
        let (mut read, mut stopped) = (0u64, None);
        while let Some(record) = records.next().await {
            match record {
                Ok((index, record)) => {
                    if let Some(out) = &mut out {
                        serde_json::to_writer(
                            &mut *out,
                            &json!({ "index": index, "record": dag_json::write(&record) }),
                        )?;
                        out.write_all(b"\n").context("writing a record")?;
                    }
                    read += 1;
                    bar.inc(1);
                }
                Err(error) => {
                    stopped = Some(error);
                    break;
                }
            }
        }
        bar.finish_and_clear();
        if let Some(out) = &mut out {
            out.flush().context("writing the records")?;
        }
        let spent = keys.as_ref().map_or_else(Spent::default, Keys::spent);
        self.report(&settings, read, spent, stopped.as_ref());
        match stopped {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// The first gateway that answers of those that the publisher names.
    async fn named_gateway(&self, chain: &Chain, settings: &Settings) -> anyhow::Result<Option<String>> {
        let named = gateways_of(chain, &settings.blocks()?, self.collection).await.context(
            "which gateway sells it? its publisher's description can't be read; name one with --gateway",
        )?;
        for url in named {
            match Gateway::connect(&url, chain).await {
                Ok(gateway) if gateway.collection(self.collection).await.is_ok() => return Ok(Some(url)),
                Ok(_) => tracing::warn!(url, "this gateway does not serve the collection"),
                Err(error) => tracing::warn!(url, %error, "a gateway that the publisher names"),
            }
        }
        Ok(None)
    }

    fn report(&self, settings: &Settings, read: u64, spent: Spent, stopped: Option<&SdkError>) {
        let code = match stopped {
            Some(SdkError::GatewayRefused(refusal)) => Some(refusal.code.clone()),
            _ => None,
        };
        let value = json!({
            "collection": self.collection,
            "records": read,
            "verified": read,
            "charged": spent.amount.to_string(),
            "recordsCharged": spent.records,
            "stopped": stopped.map(ToString::to_string),
            "refused": code,
            "out": self.out,
        });
        output::print(settings.json, &value, || {
            format!("{read} records read and verified, {} charged for {}", spent.amount, spent.records)
        });
    }
}

fn create(path: &Path) -> anyhow::Result<std::io::BufWriter<std::fs::File>> {
    let file = std::fs::File::create(path).with_context(|| format!("creating {}", path.display()))?;
    Ok(std::io::BufWriter::new(file))
}
