//! `offsetdata collection export-car` and `import-car`: a collection in one file that any IPFS program opens. It decrypts
//! nothing: what is private stays private.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use offsetdata_content::car::{self, Counted, Scope};
use offsetdata_protocol::cid::Cid;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::manifest::Manifest;
use offsetdata_sdk::collections;
use serde_json::json;

use crate::context::Settings;
use crate::{output, whole_file};

#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// The collection, or the CID of its manifest
    #[arg(value_name = "ID|MANIFEST")]
    what: String,
    /// The file that is written
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// The CAR file
    file: PathBuf,
}

impl Export {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let root = self.root(&settings).await?;
        let blocks = settings.blocks()?;
        let part = whole_file::begin(&self.output)?;
        let file = tokio::fs::File::from_std(part.reopen()?);
        let (bar, mut tell) = progress("exporting");
        let writer = tokio::io::BufWriter::with_capacity(1 << 20, file);
        let counted = car::export(&blocks, root, Scope::All, writer, &mut tell).await?;
        whole_file::put(part, &self.output)?;
        bar.finish_and_clear();
        let value = json!({
            "root": root.to_string(), "file": self.output, "blocks": counted.blocks, "bytes": counted.bytes,
        });
        output::print(settings.json, &value, || {
            format!(
                "{}: {} blocks, {} bytes, root {root}",
                self.output.display(),
                counted.blocks,
                counted.bytes
            )
        });
        Ok(())
    }

    async fn root(&self, settings: &Settings) -> anyhow::Result<Cid> {
        if self.what.starts_with("0x") {
            let id: CollectionId =
                self.what.parse().with_context(|| format!("{} is no collection", self.what))?;
            let facts = collections::facts(&settings.chain().await?, id).await?;
            return Ok(Manifest::cid(facts.on_chain.manifest_digest));
        }
        match self.what.parse::<Cid>() {
            Ok(cid) => Ok(cid),
            Err(error) => bail!("{} is neither a collection (0x…) nor a CID: {error}", self.what),
        }
    }
}

impl Import {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let blocks = settings.blocks()?;
        let file = tokio::fs::File::open(&self.file)
            .await
            .with_context(|| format!("opening {}", self.file.display()))?;
        let (bar, mut tell) = progress("importing");
        let imported = car::import(&blocks, file, &mut tell).await?;
        bar.finish_and_clear();
        let manifest = imported.manifest.as_ref();
        let value = json!({
            "root": imported.root.to_string(),
            "blocks": imported.counted.blocks,
            "bytes": imported.counted.bytes,
            "records": manifest.map(|manifest| manifest.record_count.get()),
            "contentRoot": manifest.map(|manifest| manifest.content_root),
            "pinned": true,
        });
        output::print(settings.json, &value, || {
            let what = match manifest {
                Some(manifest) => format!("a collection of {} records", manifest.record_count.get()),
                None => "a file".to_owned(),
            };
            format!(
                "{what}, {} blocks with {} bytes, is stored and pinned: {}\nEvery block is what its CID names. That the \
                 collection is the one that was registered says `offsetdata collection verify`.",
                imported.counted.blocks, imported.counted.bytes, imported.root
            )
        });
        Ok(())
    }
}

fn progress(what: &'static str) -> (indicatif::ProgressBar, impl FnMut(Counted) + Send) {
    let bar = output::spinner(what);
    let shown = bar.clone();
    (bar, move |counted: Counted| {
        shown.set_position(counted.bytes);
    })
}
