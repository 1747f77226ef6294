//! Calls that the relayer pays for, for users without ETH: checked and tried before anything is stored, charged to
//! budgets that survive restarts, then a transaction like any other. It signs nothing in a user's name.

mod settings;
mod verbs;

use std::sync::Arc;

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolCall;
use offsetdata_protocol::bindings::forwarder::ERC2771Forwarder;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::relay_api::{SponsorAnswer, SponsorRequest, SponsorState, SponsorTerms};
use offsetdata_protocol::reverts;
use offsetdata_store::relay::sponsored::{self as rows, SponsoredRow};
use offsetdata_store::relay::transactions::{
    ANYONE, NewTransaction, TransactionRow, find_by_dedupe, insert_transaction,
};
use offsetdata_store::{Conn, Count, Pool, StoreError};
use tokio::sync::Notify;

use crate::RelayerError;
use crate::chain::{Chain, Estimate};
use crate::checks::{Cause, Refusal};
use crate::jobs::JobError;
use crate::transactions::{Kind, TransactionState};
pub use settings::SponsorSettings;
use verbs::Contract;

/// The window of the budgets.
const DAY: u64 = 86_400;
const MINUTE: u64 = 60;
/// A forward request may be valid for so long at most.
const MAX_VALID: u64 = 3600;
/// A call that carries the user's signature is tried for so long.
const DIRECT_VALID: u64 = 600;
/// What the forwarder itself takes beside the inner call, and the calldata; in gas.
const FORWARDER: u64 = 150_000;
const SETTLED_AT_ONCE: u32 = 1000;

/// Pays for calls. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sponsor {
    /// The database.
    pub pool: Pool,
    /// The node.
    pub chain: Chain,
    /// Whose contracts.
    pub deployment: Deployment,
    /// Address of a key that pays: calls are tried as if from it.
    pub sender: Address,
    /// Gas on top of an estimate, in percent.
    pub margin_percent: u64,
    /// Budgets.
    pub settings: SponsorSettings,
    /// Wakes the transaction loop.
    pub wanted: Arc<Notify>,
}

/// A call that passed every check, with what it may cost.
struct Checked {
    account: Address,
    nonce: Option<U256>,
    target: Address,
    calldata: Bytes,
    gas_limit: u64,
    expires_at: u64,
}

impl Sponsor {
    /// What is paid for, and how much is left; `None` where nothing is.
    ///
    /// # Errors
    /// The database.
    pub async fn terms(&self, now: u64) -> Result<Option<SponsorTerms>, RelayerError> {
        if !self.settings.is_on() {
            return Ok(None);
        }
        let mut conn = self.pool.acquire().await?;
        let (used, _) = rows::sum_since(&mut conn, None, now.saturating_sub(DAY)).await?;
        Ok(Some(SponsorTerms {
            forwarder: self.deployment.forwarder,
            gas_per_account: self.settings.sponsor_gas_per_account,
            gas_per_day: self.settings.sponsor_gas_per_day,
            gas_left: self.settings.sponsor_gas_per_day.saturating_sub(used),
            gas_per_call: self.settings.sponsor_gas_per_call,
        }))
    }

    /// Takes a call: checks it, tries it, charges it, and stores it together with its transaction. The same call again is
    /// the same thing.
    ///
    /// # Errors
    /// [`JobError::Refused`] with what does not hold.
    pub async fn accept(&self, request: &SponsorRequest, now: u64) -> Result<SponsorAnswer, JobError> {
        if !self.settings.is_on() {
            let detail = "this relayer pays for nobody's transactions";
            return Err(Refusal::rejected(Cause::Foreign, "notSponsored", detail).into());
        }
        let id = request.id(self.deployment.forwarder);
        if let Some(answer) = self.find(id).await? {
            return Ok(answer);
        }
        let checked = self.check(request, now).await?;
        let mut tx = self.pool.write().await?;
        if rows::find_sponsored(&mut tx, id).await?.is_none() {
            self.within_budget(&mut tx, &checked, now).await?;
            let row = SponsoredRow {
                id,
                account: checked.account,
                nonce: checked.nonce,
                gas: Count(checked.gas_limit),
                settled: false,
                created_at: Count(now),
            };
            rows::insert_sponsored(&mut tx, row).await?;
            let new = NewTransaction {
                dedupe: dedupe(id),
                signer: ANYONE,
                kind: Kind::Call.as_str().to_owned(),
                request: None,
                target: checked.target,
                calldata: checked.calldata,
                expires_at: checked.expires_at,
                max_gas: Some(checked.gas_limit),
            };
            insert_transaction(&mut tx, new, now).await?;
            tx.commit().await.map_err(StoreError::from)?;
            tracing::info!(%id, account = %checked.account, gas = checked.gas_limit, "sponsored");
        }
        self.wanted.notify_one();
        Ok(SponsorAnswer { id, state: SponsorState::Queued, transaction: None, reason: None })
    }

    /// Where a call stands; `None` where it was never taken.
    ///
    /// # Errors
    /// The database.
    pub async fn find(&self, id: B256) -> Result<Option<SponsorAnswer>, RelayerError> {
        let mut conn = self.pool.acquire().await?;
        let row = find_by_dedupe(&mut conn, &dedupe(id)).await?;
        row.map(|row| answer(id, &row)).transpose()
    }

    /// Replaces limits by what was used, once it is known.
    ///
    /// # Errors
    /// The database.
    pub async fn round(&self) -> Result<(), RelayerError> {
        let open = {
            let mut conn = self.pool.acquire().await?;
            rows::list_unsettled(&mut conn, SETTLED_AT_ONCE).await?
        };
        for row in open {
            let found = {
                let mut conn = self.pool.acquire().await?;
                find_by_dedupe(&mut conn, &dedupe(row.id)).await?
            };
            let Some(transaction) = found else { continue };
            let gas = match TransactionState::read(&transaction.state)? {
                TransactionState::Confirmed => transaction.gas_used.map(|gas| gas.0),
                // What reverted in a block was paid for: its limit stays counted.
                TransactionState::Dropped if transaction.reverts > 0 => Some(row.gas.0),
                TransactionState::Dropped | TransactionState::Superseded => Some(0),
                _ => None,
            };
            if let Some(gas) = gas {
                let mut tx = self.pool.write().await?;
                rows::set_gas(&mut tx, row.id, gas, true).await?;
                tx.commit().await.map_err(StoreError::from)?;
            }
        }
        Ok(())
    }

    async fn check(&self, request: &SponsorRequest, now: u64) -> Result<Checked, JobError> {
        let (target, calldata) = request.call(self.deployment.forwarder);
        let (account, nonce, expires_at) = match request {
            SponsorRequest::Forward { .. } => self.check_forward(request, now).await?,
            SponsorRequest::Direct { to, data } => {
                let signer = self.contract(*to)?;
                let signer = verbs::signer_of(signer, data).ok_or_else(forbidden)?;
                (signer, None, now + DIRECT_VALID)
            }
        };
        let gas = match self.chain.estimate(BlockId::pending(), self.sender, target, &calldata).await? {
            Estimate::Gas(gas) => gas,
            Estimate::Reverts(data) => {
                let reason =
                    revert_reason(&self.chain, self.deployment.forwarder, target, &calldata, &data).await?;
                return Err(Refusal::rejected(Cause::Untrue, "reverts", reason).into());
            }
            Estimate::Unknown(reason) => return Err(Refusal::try_again(reason).into()),
        };
        let gas_limit = gas.saturating_add(gas.saturating_mul(self.margin_percent) / 100);
        let most = self.settings.sponsor_gas_per_call.saturating_add(FORWARDER);
        if gas_limit > most {
            let detail = format!("it takes {gas} gas, at most {most} are paid for one call");
            return Err(Refusal::rejected(Cause::Untrue, "tooMuchGas", detail).into());
        }
        Ok(Checked { account, nonce, target, calldata, gas_limit, expires_at })
    }

    async fn check_forward(
        &self,
        request: &SponsorRequest,
        now: u64,
    ) -> Result<(Address, Option<U256>, u64), JobError> {
        let SponsorRequest::Forward { from, to, gas, nonce, deadline, data, .. } = request else {
            return Err(Refusal::malformed("this is no forward request").into());
        };
        let contract = self.contract(*to)?;
        if !verbs::is_forwarded(contract, data) {
            return Err(forbidden().into());
        }
        if *gas > self.settings.sponsor_gas_per_call {
            let detail =
                format!("at most {} gas for one call, got {gas}", self.settings.sponsor_gas_per_call);
            return Err(Refusal::rejected(Cause::Untrue, "tooMuchGas", detail).into());
        }
        let head = self.chain.head().await?;
        if *deadline < head.timestamp || *deadline > head.timestamp.saturating_add(MAX_VALID) {
            let detail = format!(
                "the deadline is {deadline}; it lies between the chain's time, {}, and {MAX_VALID} seconds after it",
                head.timestamp
            );
            return Err(Refusal::rejected(Cause::Conflict, "wrongDeadline", detail).into());
        }
        let forwarder = self.deployment.forwarder;
        let nonces = ERC2771Forwarder::noncesCall { owner: *from };
        let next = self.chain.read(BlockId::latest(), forwarder, &nonces).await?;
        if next != Some(nonce.0) {
            let detail = format!("the next nonce of {from} is {}, got {}", next.unwrap_or_default(), nonce.0);
            return Err(Refusal::rejected(Cause::Conflict, "wrongNonce", detail).into());
        }
        let verify = request.forward().map(|request| ERC2771Forwarder::verifyCall { request });
        let holds = match verify {
            Some(call) => self.chain.read(BlockId::latest(), forwarder, &call).await?,
            None => None,
        };
        if holds != Some(true) {
            let detail = format!("the forwarder does not accept it as a request of {from}");
            return Err(Refusal::rejected(Cause::Untrue, "badSignature", detail).into());
        }
        // The deadline is of the chain's clock, the queue's expiry of ours.
        Ok((*from, Some(nonce.0), now.saturating_add(deadline - head.timestamp)))
    }

    fn contract(&self, to: Address) -> Result<Contract, Refusal> {
        Contract::at(to, &self.deployment).ok_or_else(|| {
            let detail = format!("{to} is no contract of this deployment");
            Refusal::rejected(Cause::Foreign, "foreignTarget", detail)
        })
    }

    async fn within_budget(&self, conn: &mut Conn, checked: &Checked, now: u64) -> Result<(), JobError> {
        if let Some(nonce) = checked.nonce
            && rows::find_open_with(conn, checked.account, nonce).await?.is_some()
        {
            let detail = format!("another call with nonce {nonce} is under way");
            return Err(Refusal::rejected(Cause::Conflict, "wrongNonce", detail).into());
        }
        let (_, calls) = rows::sum_since(conn, Some(checked.account), now.saturating_sub(MINUTE)).await?;
        if calls >= u64::from(self.settings.sponsor_calls_per_minute) {
            let detail = format!("at most {} calls a minute", self.settings.sponsor_calls_per_minute);
            return Err(Refusal::rejected(Cause::TooMany, "tooMany", detail).into());
        }
        let since = now.saturating_sub(DAY);
        for (account, budget) in [
            (Some(checked.account), self.settings.sponsor_gas_per_account),
            (None, self.settings.sponsor_gas_per_day),
        ] {
            let (used, _) = rows::sum_since(conn, account, since).await?;
            if used.saturating_add(checked.gas_limit) > budget {
                let whose = if account.is_some() { "this account" } else { "all accounts together" };
                let detail = format!(
                    "it may take {} gas; of {budget} gas that are paid for {whose} within a day, {used} are used",
                    checked.gas_limit
                );
                return Err(Refusal::rejected(Cause::TooMany, "overBudget", detail).into());
            }
        }
        Ok(())
    }
}

fn forbidden() -> Refusal {
    Refusal::rejected(Cause::Foreign, "forbiddenCall", "this relayer does not pay for this function")
}

fn dedupe(id: B256) -> String {
    format!("sponsor:{id}")
}

fn answer(id: B256, row: &TransactionRow) -> Result<SponsorAnswer, RelayerError> {
    let state = match TransactionState::read(&row.state)? {
        TransactionState::Included | TransactionState::Confirmed if row.reason.is_none() => {
            SponsorState::Included
        }
        TransactionState::Dropped | TransactionState::Superseded => SponsorState::Failed,
        _ => SponsorState::Queued,
    };
    let reason = row.reason.clone().filter(|_| state == SponsorState::Failed);
    Ok(SponsorAnswer { id, state, transaction: row.hash, reason })
}

/// Why a call reverts, in the contract's words: a forwarder says only that the inner call failed, so that is tried itself.
///
/// # Errors
/// A node that does not answer.
pub(crate) async fn revert_reason(
    chain: &Chain,
    forwarder: Address,
    target: Address,
    calldata: &Bytes,
    data: &Bytes,
) -> Result<String, RelayerError> {
    if target == forwarder
        && let Ok(call) = ERC2771Forwarder::executeCall::abi_decode(calldata)
    {
        let inner = [&call.request.data[..], call.request.from.as_slice()].concat();
        let tried = chain.simulate(BlockId::latest(), forwarder, call.request.to, inner.into()).await?;
        if let Err(data) = tried {
            return Ok(reverts::reason(&data));
        }
    }
    Ok(reverts::reason(data))
}
