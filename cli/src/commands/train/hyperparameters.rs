//! Hyperparameters as words of a command: a file, and single values over it. Whether a method takes them is not said here.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

#[derive(Debug, clap::Args)]
pub(super) struct Hyperparameters {
    /// One hyperparameter, for example epochs=30; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// File with hyperparameters as JSON; --set goes before it
    #[arg(long, value_name = "FILE")]
    hyperparameters: Option<PathBuf>,
}

impl Hyperparameters {
    /// Whether a file says all of them.
    pub(super) fn are_whole(&self) -> bool {
        self.hyperparameters.is_some()
    }

    /// The file's values, or else those of before, and those of --set over them.
    pub(super) fn over(&self, before: Map<String, Value>) -> anyhow::Result<Map<String, Value>> {
        let mut values = match &self.hyperparameters {
            None => before,
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
                match serde_json::from_str(&text).with_context(|| path.display().to_string())? {
                    Value::Object(values) => values,
                    _ => bail!("{}: expected a JSON object", path.display()),
                }
            }
        };
        for set in &self.set {
            let (name, value) =
                set.split_once('=').with_context(|| format!("--set {set}: expected NAME=VALUE"))?;
            // A value that is not JSON is a word.
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            values.insert(name.to_owned(), value);
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_goes_before_what_was() {
        let words = Hyperparameters {
            set: vec!["learningRate=0.01".into(), "learningRateSchedule=constant".into()],
            hyperparameters: None,
        };
        let before = serde_json::json!({ "learningRate": 0.002, "epochs": 3 }).as_object().cloned().unwrap();
        let values = Value::Object(words.over(before).unwrap());
        let expected = serde_json::json!({
            "learningRate": 0.01, "learningRateSchedule": "constant", "epochs": 3,
        });
        assert_eq!(values, expected);
        let wrong = Hyperparameters { set: vec!["epochs".into()], hyperparameters: None };
        assert!(wrong.over(Map::new()).unwrap_err().to_string().contains("NAME=VALUE"));
    }
}
