//! `offsetdata train`: requests training, watches it, cancels it. What it takes is known before anything is paid.

mod compare;
mod curves;
mod ending;
mod hyperparameters;
mod list;
mod method;
mod order;
mod plan;
mod result;
mod retrain;
mod watch;

use offsetdata_protocol::ids::RequestId;

use crate::context::Settings;
pub(super) use plan::range;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Train {
    /// Request training of a model on collections; its limit is escrowed
    #[command(after_help = "Examples:
  offsetdata train request --model 0x… --collection 0x… --estimate --as dev:2
  offsetdata train request --model 0x… --collection 0x… --range 0x…=0..500 --set epochs=30 --set learningRate=0.002 \\
    --validation 10 --test 20 --seed 7 --max-cost 2000000 --watch --as dev:2

What it costs is told before anything is paid. Without ETH name a relayer that pays for the transaction with --sponsor:
one signature is enough.")]
    Request(Box<plan::Request>),
    /// Watch a training until it ends
    #[command(after_help = "Example: offsetdata train watch 0x…")]
    Watch(watch::Watch),
    /// Show a training as it stands
    #[command(after_help = "Example: offsetdata train show 0x… --json")]
    Show {
        /// The request
        request: RequestId,
    },
    /// Ask to stop a training; signed work is paid, the rest comes back
    #[command(after_help = "Example: offsetdata train cancel 0x… --as dev:2")]
    Cancel(ending::Cancel),
    /// Train again with other hyperparameters on the same data, split and seed
    #[command(after_help = "Example: offsetdata train retrain 0x… --set learningRate=0.01 --watch --as dev:2

The new request names the old one as its parent. Prices are those of now.")]
    Retrain(Box<retrain::Retrain>),
    /// List trainings by user, model and state
    #[command(after_help = "Example: offsetdata train list --user 0x70… --state settled")]
    List(list::List),
    /// Compare trainings: parameters that differ, metrics, money, curves
    #[command(after_help = "Example: offsetdata train compare 0x… 0x… --metric validation/loss")]
    Compare(compare::Compare),
    /// What a training made: version, values, roots, artifact, and every payment
    #[command(after_help = "Example: offsetdata train result 0x… --json

It reads the chain's log, and needs no indexer.")]
    Result {
        /// The request
        request: RequestId,
    },
    /// End a training whose time has passed, so that the rest of its money goes back. Anyone may
    #[command(after_help = "Example: offsetdata train expire 0x… --as dev:6")]
    Expire {
        /// The request
        request: RequestId,
    },
}

impl Train {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        match self {
            Self::Request(request) => request.run(settings).await,
            Self::Watch(watch) => watch.run(settings).await,
            Self::Show { request } => watch::show(&settings, request).await,
            Self::Cancel(command) => command.run(settings).await,
            Self::Retrain(command) => command.run(settings).await,
            Self::List(command) => command.run(settings).await,
            Self::Compare(command) => command.run(settings).await,
            Self::Result { request } => result::result(&settings, request).await,
            Self::Expire { request } => ending::expire(&settings, request).await,
        }
    }
}
