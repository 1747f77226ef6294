//! `offsetdata audit`: what can be proven with an RPC endpoint and blocks alone. It asks no service of ours.

mod model;

use std::ops::Range;
use std::path::PathBuf;

use anyhow::Context as _;
use offsetdata_content::{Blocks, Keys};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_sdk::audit::collection::{Question, audit};
use offsetdata_sdk::audit::{Report, State, Verdict};
use offsetdata_sdk::{Recovery, SdkError};
use serde_json::json;

use crate::context::Settings;
use crate::output::{self, ExitWith};

/// Exit code where something could not be looked at.
const UNAVAILABLE: u8 = 3;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Audit {
    /// Prove what a collection is: its records against the root on chain, ranges, versions, licence, flags
    #[command(after_help = "Examples:
  offsetdata audit collection 0x1f… --blocks https://ipfs.example --index 7 --index 1796
  offsetdata audit collection 0x1f… --blocks .dev/blocks --range 100..300 --recovery mails.recovery.json --json

It needs an RPC endpoint and blocks, and nothing of ours running. Exit codes: 0 all that was asked is proven, 1 something
does not hold, 3 something could not be looked at, as bytes or a key are missing.")]
    Collection(Box<AuditCollection>),
    /// Prove what stands behind a model: records, split, worker, parameters, points, payments, licences
    #[command(after_help = "Examples:
  offsetdata audit model 0x2e… --blocks https://ipfs.example --model-version 2
  offsetdata audit model 0x2e… --export evidence.json
  offsetdata audit model 0x2e… --evidence evidence.json --json

It needs an RPC endpoint and blocks, and nothing of ours running. It says what is proven, what is a worker's signed word,
and what was run again. Exit codes: 0 all that was asked holds, 1 something does not hold, 3 something could not be looked
at, as bytes or a key are missing.")]
    Model(Box<model::AuditModel>),
}

#[derive(Debug, clap::Args)]
pub(crate) struct AuditCollection {
    /// The collection
    id: CollectionId,
    /// Prove that this record is in it, by the contract too
    #[arg(long, value_name = "N")]
    index: Vec<u32>,
    /// Name the chunks that hold records A to B − 1
    #[arg(long, value_name = "A..B", value_parser = range)]
    range: Vec<Range<u32>>,
    /// Where blocks are: a directory of a block store or the URL of a trustless gateway; without it --store
    #[arg(long, value_name = "DIR|URL")]
    blocks: Vec<String>,
    /// The publisher's recovery file, to look into a private collection
    #[arg(long, value_name = "FILE")]
    recovery: Option<PathBuf>,
    /// Leave chunks unread that no --index asks for
    #[arg(long)]
    skip_scan: bool,
}

impl Audit {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let result = match self {
            Self::Collection(command) => command.run(&settings).await,
            Self::Model(command) => command.run(&settings).await,
        };
        match result {
            // Who cannot be asked has proven nothing.
            Err(error) if error.downcast_ref::<SdkError>().is_some_and(SdkError::is_retryable) => {
                output::print_error(&error);
                Err(ExitWith(UNAVAILABLE).into())
            }
            result => result,
        }
    }
}

impl AuditCollection {
    async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let chain = settings.chain().await?;
        let blocks = sources(&self.blocks, settings)?;
        let keys = match &self.recovery {
            Some(path) => Keys::Collection(Recovery::read(path)?.key),
            None => Keys::Published,
        };
        let question = Question { keys, indices: self.index, ranges: self.range, skip_scan: self.skip_scan };
        let bar = output::bar(0, "reading chunks");
        let report = audit(&chain, &blocks, self.id, &question, |read, all| {
            bar.set_length(all.into());
            bar.set_position(read.into());
        });
        let report = report.await?;
        bar.finish_and_clear();
        let verdict = report.verdict();
        let value = json!({
            "id": self.id,
            "ok": verdict == Verdict::Ok,
            "verdict": verdict,
            "tampered": verdict == Verdict::Failed,
            "findings": report,
        });
        output::print(settings.json, &value, || words(&report, verdict));
        match verdict {
            Verdict::Ok => Ok(()),
            Verdict::Failed => Err(ExitWith(1).into()),
            Verdict::Unavailable => Err(ExitWith(UNAVAILABLE).into()),
        }
    }
}

fn sources(named: &[String], settings: &Settings) -> anyhow::Result<Blocks> {
    let from_settings = named.is_empty();
    let named = match named {
        [] => vec![settings.store.display().to_string()],
        named => named.to_vec(),
    };
    let mut blocks = match from_settings {
        true => Blocks::remote().with_settings(&settings.kubo)?,
        // Exactly what was named: a node would mend what is wrong there.
        false => Blocks::remote(),
    };
    for source in named {
        let is_url = source.starts_with("http://") || source.starts_with("https://");
        let added = if is_url { blocks.with_gateway(&source) } else { blocks.with_directory(&source) };
        blocks = added.with_context(|| format!("--blocks {source}"))?;
    }
    Ok(blocks)
}

fn words(report: &Report, verdict: Verdict) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let mark = match finding.state {
            State::Proven => "proven",
            State::Stated => "stated",
            State::Signed => "signed word",
            State::Reexecuted => "re-executed",
            State::Closed => "closed",
            State::Unavailable => "UNAVAILABLE",
            State::Failed => "FAILED",
        };
        let says = finding.says.strip_prefix("UNAVAILABLE: ").unwrap_or(&finding.says);
        text += &format!("{mark:<12} {:<14} {says}\n", finding.about);
    }
    text += match verdict {
        Verdict::Ok => "\nall that was asked is proven",
        Verdict::Unavailable => "\nUNAVAILABLE: not all that was asked could be looked at; this is no pass",
        Verdict::Failed => "\nFAILED: something does not hold",
    };
    text
}

fn range(text: &str) -> Result<Range<u32>, String> {
    let refused = || format!("{text}: expected A..B, for example 100..300");
    let (from, to) = text.split_once("..").ok_or_else(refused)?;
    let range = from.parse().map_err(|_| refused())?..to.parse().map_err(|_| refused())?;
    if range.start < range.end { Ok(range) } else { Err(refused()) }
}
