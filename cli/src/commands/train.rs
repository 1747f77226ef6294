//! `offsetdata train`: requests training, watches it, cancels it. What it takes is known before anything is paid.

mod plan;
mod watch;

use offsetdata_protocol::ids::RequestId;
use offsetdata_sdk::training;
use serde_json::json;

use crate::context::Settings;
use crate::output;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Train {
    /// Request training of a model on a collection; its limit is escrowed
    #[command(after_help = "Example: offsetdata train request --model 0x… --base 0x… --collection 0x… \\
    --set epochs=30 --set learningRate=0.002 --validation 10 --test 20 --seed 7 --watch --as dev:2")]
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
    Cancel {
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
            Self::Cancel { request } => {
                let (chain, account) = (settings.chain().await?, settings.account()?);
                let receipt = training::cancel(&chain, &account, request).await?;
                let value = json!({ "request": request, "transaction": receipt.transaction_hash });
                output::print(settings.json, &value, || {
                    format!("asked to stop {request}; signed work lands until the grace ends")
                });
                Ok(())
            }
        }
    }
}
