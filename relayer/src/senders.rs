//! The loops that send transactions, one a signer, and who of them is woken for what. What a round does stands in
//! `transactions`.

use std::sync::Arc;
use std::time::Duration;

use alloy::signers::local::PrivateKeySigner;
use offsetdata_store::Lease;
use offsetdata_store::lease::this_instance;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::RelayerError;
use crate::http::unix_now;
use crate::transactions::{Common, Reconciler, Report};

/// Between two tries where something failed or another process holds the signer.
const RETRY: Duration = Duration::from_secs(1);

/// All signers of a process.
#[derive(Debug)]
pub(crate) struct Senders {
    /// Without it nothing is sent.
    pub(crate) lease: Lease,
    pub(crate) common: Common,
    pub(crate) signers: Vec<PrivateKeySigner>,
    pub(crate) poll: Duration,
    /// Something was queued.
    pub(crate) wanted: Arc<Notify>,
}

impl Senders {
    /// Sends until `stop`, then gives every signer back.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let bells: Vec<Arc<Notify>> = self.signers.iter().map(|_| Arc::default()).collect();
        let mut loops = JoinSet::new();
        for (signer, bell) in self.signers.into_iter().zip(&bells) {
            let (lease, common, bell) = (self.lease.clone(), self.common.clone(), bell.clone());
            let sender = Sender { lease, common, signer, poll: self.poll, bell };
            loops.spawn(sender.run(stop.clone()));
        }
        let mut turn = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.wanted.notified() => {}
            }
            // One is enough: the others look by themselves after a poll.
            let lanes = self.common.lanes.list();
            let able = |at: &usize| lanes.get(*at).is_some_and(|lane| lane.is_held && !lane.is_empty);
            let next = (turn..turn + bells.len()).map(|at| at % bells.len()).find(able);
            turn = next.unwrap_or(turn) + 1;
            if let Some(bell) = next.and_then(|at| bells.get(at)) {
                bell.notify_one();
            }
        }
        while loops.join_next().await.is_some() {}
    }
}

/// The loop of one signer.
struct Sender {
    lease: Lease,
    common: Common,
    signer: PrivateKeySigner,
    poll: Duration,
    bell: Arc<Notify>,
}

impl Sender {
    async fn run(self, stop: CancellationToken) {
        let holder = this_instance();
        let mut reconciler: Option<Reconciler> = None;
        let mut said = false;
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.lease.held() => {}
            }
            // What it was doing when it lost the lease is cut off: each step can be done again.
            let round = tokio::select! {
                biased;
                () = self.lease.lost() => None,
                round = self.round(&mut reconciler, &holder, &mut said) => Some(round),
            };
            let Some(round) = round else {
                self.common.lanes.let_go(self.signer.address());
                reconciler = None;
                continue;
            };
            let pause = match round {
                Ok(Some(report)) if report.is_more && report.signed > 0 => Duration::ZERO,
                Ok(Some(_)) => self.poll,
                Ok(None) => RETRY,
                Err(error) => {
                    tracing::warn!(signer = %self.signer.address(), %error, "transactions: trying again");
                    RETRY
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
                () = self.bell.notified(), if pause == self.poll => {}
            }
        }
        if let Some(reconciler) = reconciler
            && let Err(error) = reconciler.release(unix_now()).await
        {
            tracing::warn!(%error, "a signer could not be given back; its lease ends by itself");
        }
    }

    async fn round(
        &self,
        reconciler: &mut Option<Reconciler>,
        holder: &str,
        said: &mut bool,
    ) -> Result<Option<Report>, RelayerError> {
        if reconciler.is_none() {
            *reconciler = Reconciler::acquire(&self.common, self.signer.clone(), holder, unix_now()).await?;
        }
        let Some(current) = reconciler else {
            if !*said {
                tracing::info!(
                    signer = %self.signer.address(),
                    "another process holds the signer, or did until a moment ago; waiting for it"
                );
                *said = true;
            }
            return Ok(None);
        };
        *said = false;
        match current.round(unix_now()).await {
            Ok(report) => Ok(Some(report)),
            Err(RelayerError::Fenced) => {
                self.common.lanes.let_go(self.signer.address());
                *reconciler = None;
                Err(RelayerError::Fenced)
            }
            Err(error) => Err(error),
        }
    }
}
