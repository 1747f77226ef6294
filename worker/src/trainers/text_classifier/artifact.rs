//! The artifact of the text classifier: a JSON header that says how to use the weights, and the weights. It is neither
//! signed nor encrypted here.
//!
//! Bytes: the frame of `trainers::container` with magic `"ODMODEL1"`; the body is burnpack. Equal runs write equal
//! bytes.

use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::network::{Architecture, Network};
use super::training::infer;
use super::{Hyperparameters, MAX_PARAMETERS, NAME, VERSION};
use crate::dataset::{MAX_CLASSES, TextSet};
use crate::trainers::classifier::{Prediction, predictions};
use crate::trainers::{BuiltIn, TrainerError, container, sha256, weights};

const MAGIC: &[u8; 8] = b"ODMODEL1";
/// Largest artifact that is read or written, in bytes: the weights and 1 MiB around them.
pub const MAX_ARTIFACT_BYTES: usize = MAX_PARAMETERS as usize * 4 + 1024 * 1024;

/// What stands before the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArtifactHeader {
    /// Name of the trainer.
    pub trainer: String,
    /// Its version; another major version is not read.
    pub version: String,
    /// Its digest, `0x` and 64 hexadecimal digits.
    pub trainer_digest: String,
    /// Number of classes; a prediction is a label below it.
    pub classes: u32,
    /// Trainable numbers in the weights.
    pub parameters: u64,
    /// With every default filled in; they fix the architecture and how texts become numbers.
    pub hyperparameters: Hyperparameters,
    /// SHA-256 of the weights, `0x` and 64 hexadecimal digits: finds damage, proves no origin.
    pub weights_digest: String,
}

/// A trained network, ready to predict.
#[derive(Debug)]
pub struct TextClassifier {
    header: ArtifactHeader,
    network: Network,
}

pub(super) fn write(
    network: Network,
    hyperparameters: &Hyperparameters,
    classes: u32,
    parameters: u64,
) -> Result<Vec<u8>, TrainerError> {
    let weights = weights::bytes(network).map_err(refuse)?;
    let header = ArtifactHeader {
        trainer: NAME.to_owned(),
        version: VERSION.to_owned(),
        trainer_digest: BuiltIn::TextClassifier.digest().to_string(),
        classes,
        parameters,
        hyperparameters: hyperparameters.clone(),
        weights_digest: sha256(&[&weights]).to_string(),
    };
    container::write(MAGIC, &header, &[&weights]).map_err(refuse)
}

impl TextClassifier {
    /// Reads an artifact. The bytes may be hostile: sizes, header, shapes and numbers are checked.
    pub fn load(bytes: &[u8]) -> Result<Self, TrainerError> {
        if bytes.len() > MAX_ARTIFACT_BYTES {
            return Err(refuse(format!("{} bytes, at most {MAX_ARTIFACT_BYTES} are read", bytes.len())));
        }
        let (header, body): (ArtifactHeader, _) = container::read(MAGIC, bytes).map_err(refuse)?;
        let architecture = check_header(&header, body)?;
        let network = architecture.init(&[0; 32], &Device::flex());
        let network = weights::load(network, body).map_err(refuse)?.valid();
        Ok(Self { header, network })
    }

    /// What stands before the weights.
    pub fn header(&self) -> &ArtifactHeader {
        &self.header
    }

    /// A set for texts to predict: their labels are not looked at.
    pub fn set(&self) -> TextSet {
        TextSet::new(self.header.hyperparameters.features())
    }

    /// Predicts every text of a set that [`TextClassifier::set`] began, in its order.
    pub fn predict(&self, set: &TextSet) -> Result<Vec<Prediction>, TrainerError> {
        Ok(predictions(&infer(&self.network, set)?, self.header.classes))
    }
}

fn check_header(header: &ArtifactHeader, weights: &[u8]) -> Result<Architecture, TrainerError> {
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    if header.trainer != NAME || major(&header.version) != major(VERSION) {
        return Err(refuse(format!(
            "made by {:?} {:?}, this is {NAME} {VERSION}",
            header.trainer, header.version
        )));
    }
    if !(2..=MAX_CLASSES).contains(&header.classes) {
        return Err(refuse(format!("{} classes", header.classes)));
    }
    let hyperparameters = serde_json::to_value(&header.hyperparameters).map_err(refuse)?;
    BuiltIn::TextClassifier.check_hyperparameters(&hyperparameters)?;
    let architecture = Architecture::new(&header.hyperparameters, header.classes)?;
    if architecture.parameters() != header.parameters {
        return Err(refuse(format!(
            "{} parameters, the architecture has {}",
            header.parameters,
            architecture.parameters()
        )));
    }
    if sha256(&[weights]).to_string() != header.weights_digest {
        return Err(refuse("the weights are not those of the header"));
    }
    Ok(architecture)
}

fn refuse(reason: impl std::fmt::Display) -> TrainerError {
    TrainerError::Artifact(reason.to_string())
}
