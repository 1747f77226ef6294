//! `offsetdata model predict`: uses a model. Each answer is held against the worker's signature and the version on chain
//! before it is shown.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use offsetdata_protocol::ids::{CollectionId, ModelId, RequestId};
use offsetdata_protocol::merkle::RecordCount;
use offsetdata_protocol::selection::{Selection, Split, SplitRule};
use offsetdata_sdk::{Chain, Relayer, collections, models, training};
use serde_json::{Value, json};

use super::records::{Asked, batches, of_files, of_jsonl};
use crate::context::Settings;
use crate::{output, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Predict {
    /// The model
    model: ModelId,
    /// Images (.png) or texts (.txt)
    #[arg(required_unless_present = "records")]
    files: Vec<PathBuf>,
    /// Records as `offsetdata fetch --out` writes them
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    records: Option<PathBuf>,
    /// Only this part of the split that a request's terms make
    #[arg(long, value_enum, requires = "records")]
    split: Option<Part>,
    /// The request whose split it is; without it the one that made the version
    #[arg(long, requires = "split")]
    request: Option<RequestId>,
    /// The collection that the records are of, where the request has several
    #[arg(long, requires = "split")]
    collection: Option<CollectionId>,
    /// Field of a record that holds its label
    #[arg(long, default_value = "label")]
    label: String,
    /// No more records than this
    #[arg(long)]
    limit: Option<usize>,
    /// Version of the model; without it the newest
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "NUMBER")]
    model_version: u32,
    /// Relayer of the model's developer
    #[arg(long, env = "OFFSETDATA_RELAYER_URL", default_value = "http://127.0.0.1:8460")]
    relayer: String,
    /// Where to write the predictions, as JSON Lines
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Part of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Part {
    /// What the model learned from
    Train,
    /// What was measured while it learned
    Validation,
    /// What was measured once, at the end
    Test,
}

impl From<Part> for Split {
    fn from(part: Part) -> Self {
        match part {
            Part::Train => Self::Train,
            Part::Validation => Self::Validation,
            Part::Test => Self::Test,
        }
    }
}

impl Predict {
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let (chain, account) = (settings.chain().await?, settings.account()?);
        let mut asked = match &self.records {
            None => of_files(&self.files)?,
            Some(path) => match self.split {
                None => of_jsonl(path, &self.label, self.limit, |_| true)?,
                Some(part) => {
                    let chosen = self.chosen(&chain, part.into()).await?;
                    of_jsonl(path, &self.label, self.limit, |index| chosen.contains(&index))?
                }
            },
        };
        asked.truncate(self.limit.unwrap_or(usize::MAX));
        ensure!(
            !asked.is_empty(),
            "there is no record to predict; is the file of the collection that is meant?"
        );
        let relayer = Relayer::connect(&self.relayer, &chain).await?;
        let bar = output::bar(asked.len() as u64, "predicting");
        let mut rows = Vec::with_capacity(asked.len());
        let (mut version, mut worker) = (0, None);
        for batch in batches(&asked)? {
            let records: Vec<Vec<u8>> = batch.iter().map(|one| one.record.clone()).collect();
            // All of them by one version, also when a newer one lands in between.
            let wanted = if version == 0 { self.model_version } else { version };
            let answer = relayer.predict(&account, self.model, wanted, &records).await?;
            (version, worker) = (answer.version, Some(answer.worker));
            rows.extend(batch.iter().zip(answer.predictions));
            bar.inc(batch.len() as u64);
        }
        bar.finish_and_clear();
        let rows: Vec<Row<'_>> = rows
            .into_iter()
            .map(|(asked, said)| Row { asked, label: said.label, score: f64::from(said.score_ppm) / 1e6 })
            .collect();
        if let Some(out) = &self.out {
            write(out, &rows).with_context(|| format!("writing {}", out.display()))?;
        }
        let counted = rows.iter().filter(|row| row.asked.label.is_some()).count();
        let correct = rows.iter().filter(|row| row.asked.label == Some(row.label)).count();
        let accuracy = (counted > 0).then(|| correct as f64 / counted as f64);
        let mut value = json!({
            "model": self.model,
            "version": version,
            "worker": worker,
            "records": rows.len(),
            "labelled": counted,
            "correct": correct,
            "accuracy": accuracy,
            "out": self.out,
        });
        if let (Some(value), None) = (value.as_object_mut(), &self.out) {
            value.insert("predictions".into(), rows.iter().map(Row::as_json).collect());
        }
        output::print(settings.json, &value, || {
            let mut text = match &self.out {
                Some(out) => format!("{} predictions are in {}\n", rows.len(), out.display()),
                None => {
                    let head = ["record", "predicted", "probability", "label"].map(str::to_owned).to_vec();
                    table::columns(
                        &std::iter::once(head).chain(rows.iter().map(Row::cells)).collect::<Vec<_>>(),
                    )
                }
            };
            text += &format!("version {version} of {}", self.model);
            if let Some(accuracy) = accuracy {
                text += &format!(": {correct} of {counted} right, accuracy {accuracy:.6}");
            }
            text
        });
        Ok(())
    }

    /// Indices of a collection's records in one part of the split: what the request selected, split by its seed.
    async fn chosen(&self, chain: &Chain, part: Split) -> anyhow::Result<BTreeSet<u32>> {
        let request = match self.request {
            Some(request) => request,
            None => {
                let versions = models::versions(chain, self.model).await?;
                let version = match self.model_version {
                    0 => versions.last(),
                    wanted => versions.iter().find(|version| version.version == wanted),
                };
                version.context("the model has no such version: train it first")?.request
            }
        };
        let terms = training::terms_of(chain, request).await?;
        let mut inputs = terms.inputs.iter().filter(|input| match self.collection {
            Some(collection) => input.collection == collection.0,
            None => true,
        });
        let (Some(input), None) = (inputs.next(), inputs.next()) else {
            bail!("which input of request {request} are the records of? name its --collection");
        };
        let selection = match input.selection {
            0 => Selection::All,
            1 => Selection::Range { first: input.first, count: input.count },
            _ => bail!(
                "request {request} chose records by a bitmap or brought its own: their split is not known here"
            ),
        };
        let id = CollectionId(input.collection);
        let count: RecordCount = collections::facts(chain, id).await?.on_chain.record_count;
        let details = &terms.details;
        let rule = SplitRule::new(details.splitSeed, details.validationBps, details.testBps)?;
        let selected = selection.indices(count, input.recordCap, None)?;
        Ok(selected.into_iter().filter(|index| rule.split(*index) == part).collect())
    }
}

/// A record and what the model says of it.
struct Row<'a> {
    asked: &'a Asked,
    label: u32,
    score: f64,
}

impl Row<'_> {
    fn as_json(&self) -> Value {
        json!({
            "record": self.asked.name,
            "index": self.asked.index,
            "predicted": self.label,
            "probability": self.score,
            "label": self.asked.label,
        })
    }

    fn cells(&self) -> Vec<String> {
        let label = self.asked.label.map_or_else(|| "–".to_owned(), |label| label.to_string());
        vec![self.asked.name.clone(), self.label.to_string(), format!("{:.4}", self.score), label]
    }
}

fn write(path: &std::path::Path, rows: &[Row<'_>]) -> anyhow::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    for row in rows {
        serde_json::to_writer(&mut file, &row.as_json())?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}
