//! `offsetdata audit model`: what stands behind a model's version, with the chain and blocks alone.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use offsetdata_content::Blocks;
use offsetdata_protocol::ids::{ModelId, RequestId};
use offsetdata_protocol::{CollectionKey, Digest, Root};
use offsetdata_sdk::audit::model::{Question, audit, request_of};
use offsetdata_sdk::audit::{Evidence, State, Verdict};
use offsetdata_sdk::{Chain, Recovery, training};
use offsetdata_worker::reexecute;
use serde_json::json;

use super::{UNAVAILABLE, sources, words};
use crate::context::Settings;
use crate::output::{self, ExitWith};
use crate::whole_file;

/// Largest evidence that is read.
const MAX_EVIDENCE: u64 = 1 << 30;
/// Largest text of hyperparameters that is read, in bytes.
const MAX_HYPERPARAMETERS: usize = 64 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct AuditModel {
    /// The model
    model: ModelId,
    /// The version; without it the newest
    #[arg(long, value_name = "NUMBER", conflicts_with = "request")]
    model_version: Option<u32>,
    /// A request of the model, also one that made no version
    #[arg(long)]
    request: Option<RequestId>,
    /// Where blocks are: a directory of a block store or the URL of a trustless gateway; without it --store
    #[arg(long, value_name = "DIR|URL")]
    blocks: Vec<String>,
    /// Look at the statements in this file instead of calldata and blocks of points
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// Write all signed statements of the request to a file, for --evidence
    #[arg(long, value_name = "FILE", conflicts_with = "evidence")]
    export: Option<PathBuf>,
    /// Publishers' recovery files, to look into private collections
    #[arg(long, value_name = "FILE")]
    recovery: Vec<PathBuf>,
    /// Train again from the same records, and compare the series: proves the measured numbers where this machine rounds as
    /// the worker's did. Private collections need --recovery
    #[arg(long)]
    re_execute: bool,
    /// Leave the records unread
    #[arg(long)]
    skip_scan: bool,
}

impl AuditModel {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let chain = settings.chain().await?;
        let blocks = sources(&self.blocks, settings)?;
        let keys = self.recovery.iter().map(|path| Ok(Recovery::read(path)?.key));
        let mut question = Question {
            version: self.model_version,
            request: self.request,
            evidence: self.evidence.as_deref().map(read).transpose()?,
            keys: keys.collect::<anyhow::Result<_>>()?,
            skip_scan: self.skip_scan,
            reexecuted: None,
        };
        let request = request_of(&chain, self.model, &question).await?;
        if let Some(path) = &self.export {
            let evidence = Evidence::gather(&chain, &blocks, request).await?;
            let mut file = whole_file::begin(path)?;
            file.write_all(&serde_json::to_vec_pretty(&evidence)?)
                .with_context(|| format!("writing {}", path.display()))?;
            whole_file::put(file, path)?;
        }
        let mut not_run = None;
        if self.re_execute {
            match again(&chain, &blocks, request, &question.keys).await {
                Ok(series_root) => question.reexecuted = Some(series_root),
                Err(error) => not_run = Some(format!("{error:#}")),
            }
        }
        let bar = output::bar(0, "reading chunks");
        let report = audit(&chain, &blocks, self.model, &question, |read, all| {
            bar.set_length(all.into());
            bar.set_position(read.into());
        });
        let mut report = report.await?;
        if let Some(reason) = not_run {
            report.add("re-execution", State::Unavailable, reason, json!(null));
        }
        bar.finish_and_clear();
        let verdict = report.verdict();
        let count = |state| report.findings.iter().filter(|finding| finding.state == state).count();
        let value = json!({
            "model": self.model,
            "request": request,
            "ok": verdict == Verdict::Ok,
            "verdict": verdict,
            "tampered": verdict == Verdict::Failed,
            "proven": count(State::Proven),
            "signed": count(State::Signed),
            "reexecuted": count(State::Reexecuted),
            "export": self.export,
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

/// Root of the series that the training gives when it is run here.
async fn again(
    chain: &Chain,
    blocks: &Blocks,
    request: RequestId,
    keys: &[CollectionKey],
) -> anyhow::Result<Root> {
    let terms = training::terms_of(chain, request).await?;
    let digest = Digest::from(terms.details.hyperparametersDigest);
    let text = blocks.get_raw(digest, MAX_HYPERPARAMETERS).await.context("the hyperparameters")?;
    let text = String::from_utf8(text).context("the hyperparameters")?;
    let bar = output::bar(0, "training again");
    let result = reexecute(chain, blocks, &terms.details, &terms.inputs, &text, keys).await;
    bar.finish_and_clear();
    Ok(result?.series_root)
}

fn read(path: &Path) -> anyhow::Result<Evidence> {
    let reading = || format!("reading {}", path.display());
    let length = std::fs::metadata(path).with_context(reading)?.len();
    anyhow::ensure!(length <= MAX_EVIDENCE, "{} is larger than evidence is", path.display());
    let text = std::fs::read_to_string(path).with_context(reading)?;
    serde_json::from_str(&text).with_context(|| format!("{} is no evidence", path.display()))
}
