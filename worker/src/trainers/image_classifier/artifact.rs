//! The artifact of the image classifier: a JSON header that says how to use the weights, and the
//! weights. It is neither signed nor encrypted here.
//!
//! Bytes: `"ODMODEL1"` · length of the header (32 bits, big-endian) · header (JSON) · weights (a
//! burnpack container, burn's own record format). Equal runs write equal bytes.

use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::network::{Architecture, Network};
use super::training::infer;
use super::{Hyperparameters, MAX_PARAMETERS, NAME, VERSION};
use crate::dataset::{ImageSet, ImageShape, MAX_CLASSES};
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
    /// Images that the network reads.
    pub input: ImageShape,
    pub normalisation: Normalisation,
    /// Number of classes; a prediction is a label below it.
    pub classes: u32,
    /// Trainable numbers in the weights.
    pub parameters: u64,
    /// With every default filled in; they fix the architecture.
    pub hyperparameters: Hyperparameters,
    /// SHA-256 of the weights, `0x` and 64 hexadecimal digits: finds damage, proves no origin.
    pub weights_digest: String,
}

/// How bytes of an image become what the network reads: `byte / divisor`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    pub divisor: f32,
}

const NORMALISATION: Normalisation = Normalisation { divisor: 255.0 };

/// A trained network, ready to predict.
#[derive(Debug)]
pub struct ImageClassifier {
    header: ArtifactHeader,
    network: Network,
}

pub(super) fn write(
    network: Network,
    hyperparameters: &Hyperparameters,
    input: ImageShape,
    classes: u32,
    parameters: u64,
) -> Result<Vec<u8>, TrainerError> {
    let weights = weights::bytes(network).map_err(refuse)?;
    let header = ArtifactHeader {
        trainer: NAME.to_owned(),
        version: VERSION.to_owned(),
        trainer_digest: BuiltIn::ImageClassifier.digest().to_string(),
        input,
        normalisation: NORMALISATION,
        classes,
        parameters,
        hyperparameters: hyperparameters.clone(),
        weights_digest: sha256(&[&weights]).to_string(),
    };
    container::write(MAGIC, &header, &[&weights]).map_err(refuse)
}

impl ImageClassifier {
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

    /// Predicts every image of a set, in its order. Labels of the set are not looked at.
    pub fn predict(&self, set: &ImageSet) -> Result<Vec<Prediction>, TrainerError> {
        let Some(actual) = set.shape() else { return Ok(Vec::new()) };
        let expected = self.header.input;
        if actual != expected {
            return Err(TrainerError::SplitShape { split: "prediction", expected, actual });
        }
        let logits = infer(&self.network, set, expected)?;
        Ok(predictions(&logits, self.header.classes))
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
    if header.normalisation != NORMALISATION {
        return Err(refuse("a normalisation that this version does not know"));
    }
    if !header.input.is_supported() || !(2..=MAX_CLASSES).contains(&header.classes) {
        return Err(refuse(format!("input {} with {} classes", header.input, header.classes)));
    }
    let hyperparameters = serde_json::to_value(&header.hyperparameters).map_err(refuse)?;
    BuiltIn::ImageClassifier.check_hyperparameters(&hyperparameters)?;
    let architecture = Architecture::new(header.input, &header.hyperparameters, header.classes)?;
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
