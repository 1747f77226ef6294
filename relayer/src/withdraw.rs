//! `offsetdata relayer withdraw`: what the coordinator owes to each signer, taken out now, whether a relayer runs or not.
//! It sends through the same queue, so that no nonce is used twice.

use std::time::Duration;

use alloy::primitives::{Address, B256, U256};
use alloy::signers::local::PrivateKeySigner;
use offsetdata_store::lease::this_instance;
use offsetdata_store::relay::transactions::{find_by_dedupe, insert_transaction};
use offsetdata_store::{StoreError, connect_existing};
use serde::Serialize;

use crate::chain::Chain;
use crate::http::unix_now;
use crate::scheduler::Scheduler;
use crate::service::{open_database, patient_preflight, read_deployment};
use crate::transactions::lanes::decimal;
use crate::transactions::{Common, Lanes, Reconciler, TransactionSettings, TransactionState};
use crate::upkeep::withdrawal;
use crate::{Config, RelayerError};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// What became of one signer's fees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Withdrawn {
    /// Whose.
    pub signer: Address,
    /// What was owed, in the token's smallest unit.
    #[serde(serialize_with = "decimal")]
    pub amount: U256,
    /// `nothing`, or where its transaction stands.
    pub state: String,
    /// The transaction that took it.
    pub transaction: Option<B256>,
    /// Why it did not land.
    pub reason: Option<String>,
}

struct Open {
    key: PrivateKeySigner,
    dedupe: String,
    amount: U256,
    reconciler: Option<Reconciler>,
}

/// Takes out what every signer is owed, and waits for the blocks, `within` at most.
///
/// # Errors
/// Settings, the node, the database. What does not land is told in its state.
pub async fn withdraw(config: &Config, within: Duration) -> Result<Vec<Withdrawn>, RelayerError> {
    let (scheduler, signers) = (config.keys.scheduler()?, config.keys.signers()?);
    let deployment = read_deployment(config)?;
    let coordinator = deployment.training_coordinator;
    let chain = Chain::new(config.rpc_url.reveal())?;
    let addresses: Vec<Address> = signers.iter().map(PrivateKeySigner::address).collect();
    patient_preflight(&chain, &deployment, &addresses).await?;
    // Only the relayer's own queue knows which nonces are taken.
    if connect_existing(config.database_url.reveal()).await?.is_none() {
        return Err(RelayerError::Setting {
            setting: "--database-url",
            reason: "there is no such database, or it is empty: name the relayer's own. Where it is lost, `offsetdata \
                     account withdraw --as KEYFILE` takes the fees out without one"
                .to_owned(),
        });
    }
    let pool = open_database(config.database_url.reveal()).await?;
    let forwarder = Some(deployment.forwarder);
    let common = Common {
        pool: pool.clone(),
        chain: chain.clone(),
        scheduler: Scheduler::new(scheduler, deployment.chain_id, coordinator),
        settings: TransactionSettings { forwarder, ..config.transactions },
        lanes: Lanes::new(addresses),
    };
    let mut withdrawn = Vec::new();
    let mut open = Vec::new();
    for key in signers {
        let now = unix_now();
        let (amount, mut new) = withdrawal(&chain, coordinator, key.address(), now).await?;
        if amount.is_zero() {
            let state = "nothing".to_owned();
            withdrawn.push(Withdrawn {
                signer: key.address(),
                amount,
                state,
                transaction: None,
                reason: None,
            });
            continue;
        }
        // Not the one that the relayer itself queues within an hour.
        new.dedupe = format!("{}:asked:{now}", new.dedupe);
        let dedupe = new.dedupe.clone();
        let mut tx = pool.write().await?;
        insert_transaction(&mut tx, new, now).await?;
        tx.commit().await.map_err(StoreError::from)?;
        open.push(Open { key, dedupe, amount, reconciler: None });
    }
    let until = tokio::time::Instant::now() + within;
    while !open.is_empty() {
        let is_late = tokio::time::Instant::now() >= until;
        let mut rest = Vec::new();
        for mut one in open {
            if let Err(error) = send(&common, &mut one).await {
                tracing::warn!(%error, "trying again");
            }
            let row = find_by_dedupe(&mut *pool.acquire().await?, &one.dedupe).await?;
            let Some(row) = row else { continue };
            let state = TransactionState::read(&row.state)?;
            if !is_late && !state.is_final() && state != TransactionState::Confirmed {
                rest.push(one);
                continue;
            }
            if let Some(reconciler) = one.reconciler {
                reconciler.release(unix_now()).await?;
            }
            withdrawn.push(Withdrawn {
                signer: one.key.address(),
                amount: one.amount,
                state: row.state,
                transaction: row.hash,
                reason: row.reason,
            });
        }
        open = rest;
        if !open.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(withdrawn)
}

/// Sends for a signer that no relayer holds; one that runs does it itself.
async fn send(common: &Common, one: &mut Open) -> Result<(), RelayerError> {
    if one.reconciler.is_none() {
        one.reconciler = Reconciler::acquire(common, one.key.clone(), &this_instance(), unix_now()).await?;
    }
    match &mut one.reconciler {
        Some(reconciler) => reconciler.round(unix_now()).await.map(|_| ()),
        None => Ok(()),
    }
}
