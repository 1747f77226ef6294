//! The artifact of the image classifier: a JSON header that says how to use the weights, and the
//! weights. It is neither signed nor encrypted here.
//!
//! Bytes: `"ODMODEL1"` · length of the header (32 bits, big-endian) · header (JSON) · weights (a
//! burnpack container, burn's own record format). Equal runs write equal bytes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::module::{Module, ModuleVisitor, Param};
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::network::{Architecture, Network};
use super::training::{argmax, infer, log_sum_exp};
use super::{Hyperparameters, MAX_PARAMETERS, NAME, VERSION};
use crate::dataset::{ImageSet, ImageShape, MAX_CLASSES};
use crate::trainers::{BuiltIn, TrainerError, sha256};

const MAGIC: &[u8; 8] = b"ODMODEL1";
const MAX_HEADER_BYTES: usize = 64 * 1024;
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

/// One prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The most probable label, the smallest among equals.
    pub label: u32,
    /// Probability of every label; they add to 1 up to rounding.
    pub probabilities: Vec<f32>,
}

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
    let weights = network.into_record().into_bytes().map_err(refuse)?;
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
    let header = serde_json::to_vec(&header).map_err(refuse)?;
    let length = u32::try_from(header.len()).map_err(refuse)?;
    let mut bytes = Vec::with_capacity(MAGIC.len() + 4 + header.len() + weights.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(&weights);
    Ok(bytes)
}

impl ImageClassifier {
    /// Reads an artifact. The bytes may be hostile: sizes, header, shapes and numbers are checked.
    pub fn load(bytes: &[u8]) -> Result<Self, TrainerError> {
        if bytes.len() > MAX_ARTIFACT_BYTES {
            return Err(refuse(format!("{} bytes, at most {MAX_ARTIFACT_BYTES} are read", bytes.len())));
        }
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| refuse("it does not begin with ODMODEL1"))?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(|| refuse("it is cut short"))?;
        let length = u32::from_be_bytes(*length) as usize;
        if length > MAX_HEADER_BYTES {
            return Err(refuse(format!("a header of {length} bytes, at most {MAX_HEADER_BYTES} are read")));
        }
        let (header, weights) = rest.split_at_checked(length).ok_or_else(|| refuse("it is cut short"))?;
        let header: ArtifactHeader = serde_json::from_slice(header).map_err(refuse)?;
        let architecture = check_header(&header, weights)?;

        let network = architecture.init(&[0; 32], &Device::flex());
        let weights = Bytes::from_bytes_vec(weights.to_vec());
        // burn panics on some malformed tensors instead of answering an error.
        let network = catch_unwind(AssertUnwindSafe(move || {
            let record = ModuleRecord::from_bytes(weights)?.cast_to_module_dtype();
            network.try_load_record(record)
        }))
        .map_err(|_| refuse("the weights cannot be read"))?
        .map_err(refuse)?
        .valid();

        let mut finite = AllFinite(true);
        network.visit(&mut finite);
        if !finite.0 {
            return Err(refuse("a weight is not a finite number"));
        }
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
        let positions: Vec<usize> = (0..set.len()).collect();
        let logits = infer(&self.network, set, &positions, expected)?;
        Ok(logits
            .chunks(self.header.classes as usize)
            .map(|row| {
                let total = log_sum_exp(row);
                let probabilities =
                    row.iter().map(|value| (f64::from(*value) - total).exp() as f32).collect();
                Prediction { label: argmax(row) as u32, probabilities }
            })
            .collect())
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

struct AllFinite(bool);

impl ModuleVisitor for AllFinite {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values = param.val().try_into_vec_as::<f32>();
        self.0 &= values.is_ok_and(|values| values.iter().all(|value| value.is_finite()));
    }
}

fn refuse(reason: impl std::fmt::Display) -> TrainerError {
    TrainerError::Artifact(reason.to_string())
}
