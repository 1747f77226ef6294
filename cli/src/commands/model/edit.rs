//! `offsetdata model edit`, `access`, `delete`: what an owner changes about a model.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use anyhow::{Context as _, bail, ensure};
use offsetdata_protocol::ids::ModelId;
use offsetdata_sdk::models;
use serde_json::{Value, json};

use crate::commands::description::{describe, described, word};
use crate::context::Settings;
use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Edit {
    /// The model
    model: ModelId,
    /// Its new name
    #[arg(long, required_unless_present = "description")]
    name: Option<String>,
    /// Its new description
    #[arg(long)]
    description: Option<String>,
}

impl Edit {
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let (chain, account) = settings.sender().await?;
        let facts = models::model(&chain, self.model).await?;
        let known = described(&settings, &facts.metadata).await;
        if known.is_none() && (self.name.is_none() || self.description.is_none()) {
            bail!(
                "what the model says of itself now is not in the block store: give --name and --description"
            );
        }
        let mut said = known.unwrap_or_else(|| json!({}));
        for (key, new) in [("name", &self.name), ("description", &self.description)] {
            if let (Some(said), Some(new)) = (said.as_object_mut(), new) {
                said.insert(key.to_owned(), Value::from(new.as_str()));
            }
        }
        let metadata = describe(&settings, &said).await?;
        let receipt = models::revise_model(&chain, &account, self.model, &metadata).await?;
        let value = json!({
            "id": self.model,
            "metadata": said,
            "metadataDigest": metadata.digest,
            "transaction": receipt.transaction_hash,
        });
        output::print(settings.json, &value, || {
            let word = |key| word(Some(&said), key);
            format!(
                "model        {}\nname         {}\ndescription  {}",
                self.model,
                word("name"),
                word("description")
            )
        });
        Ok(())
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Access {
    /// The model
    model: ModelId,
    /// Let everyone use it who is not denied
    #[arg(long, conflicts_with = "restricted")]
    public: bool,
    /// Let only its owner and those allowed use it
    #[arg(long)]
    restricted: bool,
    /// Let an address use and train it; may be given several times
    #[arg(long = "allow", value_name = "ADDRESS")]
    allow: Vec<Address>,
    /// Take that back
    #[arg(long = "disallow", value_name = "ADDRESS")]
    disallow: Vec<Address>,
    /// Deny an address, whatever else holds
    #[arg(long = "deny", value_name = "ADDRESS")]
    deny: Vec<Address>,
    /// Take that back
    #[arg(long = "undeny", value_name = "ADDRESS")]
    undeny: Vec<Address>,
    /// File with addresses to allow, one a line
    #[arg(long, value_name = "FILE")]
    allow_file: Option<PathBuf>,
    /// File with addresses to deny, one a line
    #[arg(long, value_name = "FILE")]
    deny_file: Option<PathBuf>,
}

impl Access {
    pub(super) async fn run(mut self, settings: Settings) -> anyhow::Result<()> {
        let (chain, account) = settings.sender().await?;
        for (file, list) in [(&self.allow_file, &mut self.allow), (&self.deny_file, &mut self.deny)] {
            if let Some(file) = file {
                list.extend(addresses(file)?);
            }
        }
        let lists = [&self.allow, &self.disallow, &self.deny, &self.undeny];
        let changes = self.public || self.restricted || lists.iter().any(|list| !list.is_empty());
        ensure!(
            changes,
            "nothing to change: say --public, --restricted, --allow, --disallow, --deny or --undeny"
        );
        // Who is denied loses access before anyone else gains it.
        for (list, denied) in [(&self.deny, true), (&self.undeny, false)] {
            models::set_denied(&chain, &account, self.model, list, denied).await?;
        }
        for (list, allowed) in [(&self.disallow, false), (&self.allow, true)] {
            models::set_allowed(&chain, &account, self.model, list, allowed).await?;
        }
        if self.public || self.restricted {
            models::set_visibility(&chain, &account, self.model, self.public).await?;
        }
        let facts = models::model(&chain, self.model).await?;
        let value = json!({
            "id": self.model,
            "public": facts.public,
            "allowed": facts.allowed,
            "denied": facts.denied,
        });
        output::print(settings.json, &value, || {
            let who = if facts.public { "everyone who is not denied" } else { "its owner and those allowed" };
            let (allowed, denied) = (facts.allowed.len(), facts.denied.len());
            format!("model    {}\nuse      {who}\nallowed  {allowed}\ndenied   {denied}", self.model)
        });
        Ok(())
    }
}

/// Addresses of a file, one a line; empty lines and what follows a # are passed over.
fn addresses(path: &Path) -> anyhow::Result<Vec<Address>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            let at = || format!("{} line {}: expected an address", path.display(), number + 1);
            found.push(line.parse().with_context(at)?);
        }
    }
    Ok(found)
}

#[derive(Debug, clap::Args)]
pub(crate) struct Delete {
    /// The model
    model: ModelId,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Delete {
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let (chain, account) = settings.sender().await?;
        let facts = models::model(&chain, self.model).await?;
        let versions = models::versions(&chain, self.model).await?.len();
        if !self.yes {
            let name = word(described(&settings, &facts.metadata).await.as_ref(), "name");
            confirm(&format!(
                "delete {name} ({}) for good? Nobody can use or train it any more; its {versions} versions and its \
                 history stay on chain",
                self.model
            ))?;
        }
        let receipt = models::delete_model(&chain, &account, self.model).await?;
        let value = json!({
            "id": self.model,
            "deleted": true,
            "versionsKept": versions,
            "transaction": receipt.transaction_hash,
        });
        output::print(settings.json, &value, || {
            format!("model {} is deleted; its {versions} versions and its history stay on chain", self.model)
        });
        Ok(())
    }
}

/// Asks on the terminal; without one `--yes` has to be said.
fn confirm(question: &str) -> anyhow::Result<()> {
    ensure!(std::io::stdin().is_terminal(), "{question}: say --yes");
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("reading the answer")?;
    ensure!(matches!(answer.trim(), "y" | "Y" | "yes"), "nothing was deleted");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_addresses_may_have_comments_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.txt");
        let address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
        std::fs::write(&file, format!("# customers\n\n{address}  # the first\n")).unwrap();
        assert_eq!(addresses(&file).unwrap(), [address.parse::<Address>().unwrap()]);
        std::fs::write(&file, format!("{address}\nnobody\n")).unwrap();
        let error = addresses(&file).unwrap_err().to_string();
        assert!(error.ends_with("line 2: expected an address"), "{error}");
    }
}
