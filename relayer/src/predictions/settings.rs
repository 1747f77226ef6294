//! How many predictions, and how long a worker may take. It holds no key.

/// Settings of predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct PredictionSettings {
    /// Predictions that one account may ask for within a minute.
    #[arg(long, env = "OFFSETDATA_PREDICTIONS_PER_MINUTE", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub predictions_per_minute: u32,
    /// Seconds in which a worker answers a prediction; then another one gets it.
    #[arg(long, env = "OFFSETDATA_PREDICTION_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub prediction_seconds: u32,
}

impl Default for PredictionSettings {
    fn default() -> Self {
        Self { predictions_per_minute: 60, prediction_seconds: 60 }
    }
}
