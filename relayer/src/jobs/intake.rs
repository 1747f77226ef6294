//! From the chain's tables to jobs: new requests, cancellations, endings and what a reorg took away. It reads chain
//! tables and never writes them.

use alloy::primitives::B256;
use offsetdata_content::ContentError;
use offsetdata_protocol::Digest;
use offsetdata_store::Count;
use offsetdata_store::chain::blocks::{self, Cursor};
use offsetdata_store::chain::requests::{self, RequestRow, RequestStatus};
use offsetdata_store::chain::{Page, Position, training};
use offsetdata_store::relay::jobs::{self as rows, JobRow};
use offsetdata_store::relay::transactions;

use super::limits::count_as_released;
use super::state::{Ending, Event, JobState};
use super::{Jobs, RelayerError, RequestId, close_key, commit, expire_key, settle_key, state_of};
use crate::landing::Terms;
use crate::transactions::TransactionState;

/// Largest text of hyperparameters, in bytes.
const MAX_HYPERPARAMETERS: usize = 64 * 1024;
const PAGE: u32 = 200;

impl Jobs {
    /// One look at the chain's tables and at each job that has not ended.
    ///
    /// # Errors
    /// The database; what fails for one job is logged and does not stop the others.
    pub async fn round(&self, now: u64) -> Result<(), RelayerError> {
        let cursor = {
            let mut conn = self.pool.acquire().await?;
            blocks::head(&mut conn).await?
        };
        let Some(cursor) = cursor else { return Ok(()) };
        self.take_in(&cursor, now).await?;
        for state in JobState::ALL.into_iter().filter(|state| !state.is_final()) {
            let jobs = {
                let mut conn = self.pool.acquire().await?;
                rows::list_jobs_in(&mut conn, state.as_str(), 100_000).await?
            };
            for job in jobs {
                let request = job.request;
                if let Err(error) = self.look_after(job, &cursor, now).await {
                    tracing::warn!(%request, %error, "a job could not be moved on; it is tried again");
                }
            }
        }
        self.reap(now).await?;
        self.clear_checkpoints().await
    }

    /// Writes a row for each confirmed request that has none.
    async fn take_in(&self, cursor: &Cursor, now: u64) -> Result<(), RelayerError> {
        let Some(confirmed) = cursor.confirmed(self.confirmations) else { return Ok(()) };
        let mut after: Option<Position> = None;
        loop {
            let page = Page { after, ..Page::first(PAGE) };
            let scheduler = self.scheduler.address();
            // Mostly there is nothing new: then nobody has to wait for a writer.
            let (open, known) = {
                let mut conn = self.pool.acquire().await?;
                let open = requests::list_open_for_scheduler(&mut conn, scheduler, confirmed, page).await?;
                let ids: Vec<RequestId> = open.iter().map(|request| request.id).collect();
                let known = rows::states_of(&mut conn, &ids).await?;
                (open, known)
            };
            if known.len() < open.len() {
                let mut tx = self.pool.write().await?;
                for request in requests::list_open_for_scheduler(&mut tx, scheduler, confirmed, page).await? {
                    if rows::find_job(&mut tx, request.id).await?.is_none() {
                        let head = training::head_of(&mut tx, request.id).await?;
                        rows::insert_job(&mut tx, new_job(&request, head, now)).await?;
                        tracing::info!(request = %request.id, model = %request.model, "taken in");
                    }
                }
                commit(tx).await?;
            }
            for (request, state) in known {
                if state.parse::<JobState>().is_ok_and(JobState::is_final) {
                    self.reopen(request, cursor, now).await?;
                }
            }
            match open.last() {
                Some(last) if open.len() >= PAGE as usize => after = Some(last.position),
                _ => return Ok(()),
            }
        }
    }

    /// A job has ended and its request has not. Mostly its last transaction is under way; but where a reorg took the end
    /// away and nothing is left that would bring it back, the job goes on.
    async fn reopen(&self, request: RequestId, cursor: &Cursor, now: u64) -> Result<(), RelayerError> {
        let Some(job) = self.find(request).await? else { return Ok(()) };
        if cursor.number < cursor.chain_head || is_over(&job, None, cursor.timestamp.0)? {
            return Ok(());
        }
        let queued = {
            let mut conn = self.pool.acquire().await?;
            transactions::list_of_request(&mut conn, job.request).await?
        };
        let (settle, ends) =
            (settle_key(job.request, job.attempt), [close_key(job.request), expire_key(job.request)]);
        for transaction in &queued {
            let is_dropped = TransactionState::read(&transaction.state)? == TransactionState::Dropped;
            if ends.contains(&transaction.dedupe) || (transaction.dedupe == settle && !is_dropped) {
                return Ok(());
            }
        }
        tracing::warn!(request = %job.request, state = job.state, "the chain took back how it ended");
        self.step(job.request, Event::Reopened, now).await
    }

    async fn look_after(&self, job: JobRow, cursor: &Cursor, now: u64) -> Result<(), RelayerError> {
        let request = job.request;
        let state = state_of(&job)?;
        let on_chain = {
            let mut conn = self.pool.acquire().await?;
            requests::find_request(&mut conn, request).await?
        };
        let Some(on_chain) = on_chain else {
            // While the index is being built again, a request that is not there yet was not taken away.
            if state != JobState::Vanished && cursor.number >= cursor.chain_head {
                self.vanish(request, now).await?;
            } else if state == JobState::Vanished && is_over(&job, None, cursor.timestamp.0)? {
                self.step(request, Event::TimedOut, now).await?;
            }
            return Ok(());
        };
        if let Some(ending) = ending(on_chain.status) {
            return self.step(request, Event::Ended(ending), now).await;
        }
        if state == JobState::Vanished {
            self.step(request, Event::Reappeared, now).await?;
            return Ok(());
        }
        if on_chain.status == RequestStatus::Cancelling
            && !matches!(state, JobState::Cancelling | JobState::Settling)
        {
            return self.cancel_now(&job, now).await;
        }
        if is_over(&job, Some(&on_chain), cursor.timestamp.0)? {
            return self.time_out(request, now).await;
        }
        // An index that lags may still show what a reorg took away.
        if cursor.number >= cursor.chain_head && self.catch_up(&job, &on_chain, now).await? {
            return Ok(());
        }
        match state {
            JobState::Requested => self.prepare(&job, now).await,
            JobState::Queued => self.limit_queue(&job, now).await,
            _ if self.limit_run(&job, now).await? => Ok(()),
            _ => self.follow(&job, &on_chain, now).await,
        }
    }

    /// A reorg took the request away. What its worker loses by that is no failed attempt.
    async fn vanish(&self, request: RequestId, now: u64) -> Result<(), RelayerError> {
        let mut tx = self.pool.write().await?;
        let Some(mut job) = rows::find_job(&mut tx, request).await? else { return Ok(()) };
        let state = state_of(&job)?;
        if state.next(Event::Vanished).is_err() {
            return Ok(());
        }
        if state.is_working() {
            count_as_released(&mut job);
        }
        super::advance(&mut tx, &mut job, Event::Vanished, now).await?;
        commit(tx).await
    }

    async fn cancel_now(&self, seen: &JobRow, now: u64) -> Result<(), RelayerError> {
        let reason = self.keep_reason("cancelled by the user").await?;
        let mut tx = self.pool.write().await?;
        let Some(mut job) = rows::find_job(&mut tx, seen.request).await? else { return Ok(()) };
        self.cancel(&mut tx, &mut job, reason, now).await?;
        commit(tx).await
    }

    /// Fetches the hyperparameters. What their digest names but can't be taken ends the job.
    async fn prepare(&self, seen: &JobRow, now: u64) -> Result<(), RelayerError> {
        let terms = Terms::decode(&seen.escrow, &seen.details)?;
        let digest = Digest::from(terms.details.hyperparametersDigest);
        let refusal = match self.blocks.get_raw(digest, MAX_HYPERPARAMETERS).await {
            Ok(bytes) => match read_hyperparameters(bytes) {
                Ok(text) => {
                    let mut tx = self.pool.write().await?;
                    let Some(mut job) = rows::find_job(&mut tx, seen.request).await? else { return Ok(()) };
                    if state_of(&job)? == JobState::Requested {
                        job.hyperparameters = Some(text);
                        job.reason = None;
                        super::advance(&mut tx, &mut job, Event::Prepared, now).await?;
                        commit(tx).await?;
                        self.queued.notify_waiters();
                    }
                    return Ok(());
                }
                Err(reason) => reason,
            },
            Err(ContentError::TooLarge { .. }) => {
                format!("the hyperparameters have more than {MAX_HYPERPARAMETERS} bytes")
            }
            Err(error) => {
                tracing::debug!(request = %seen.request, %error, "the hyperparameters are not there yet");
                return Ok(());
            }
        };
        let reason = self.keep_reason(&refusal).await?;
        let mut tx = self.pool.write().await?;
        let Some(mut job) = rows::find_job(&mut tx, seen.request).await? else { return Ok(()) };
        if state_of(&job)? == JobState::Requested {
            self.end(&mut tx, &mut job, Event::GaveUp, reason, now).await?;
            commit(tx).await?;
        }
        Ok(())
    }
}

fn read_hyperparameters(bytes: Vec<u8>) -> Result<String, String> {
    let text = String::from_utf8(bytes).map_err(|_| "the hyperparameters are not UTF-8".to_owned())?;
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(serde_json::Value::Object(_)) => Ok(text),
        Ok(_) => Err("the hyperparameters are not a JSON object".to_owned()),
        Err(error) => Err(format!("the hyperparameters are not JSON: {error}")),
    }
}

fn new_job(request: &RequestRow, head: B256, now: u64) -> JobRow {
    JobRow {
        request: request.id,
        state: JobState::Requested.as_str().to_owned(),
        model: request.model,
        trainer: request.trainer_digest,
        escrow: request.escrow.clone(),
        details: request.details.clone(),
        inputs: request.inputs.clone(),
        hyperparameters: None,
        // What landed before this database was: attempts and commitments go on after it.
        attempt: request.attempt,
        worker: None,
        lease_until: None,
        progress_ppm: 0,
        sequence: request.sequence,
        head,
        point_count: 0,
        units: Count(0),
        reason: None,
        created_at: Count(now),
        updated_at: Count(now),
        released: 0,
    }
}

fn ending(status: RequestStatus) -> Option<Ending> {
    match status {
        RequestStatus::Open | RequestStatus::Cancelling => None,
        RequestStatus::Settled => Some(Ending::Settled),
        RequestStatus::Cancelled => Some(Ending::Cancelled),
        RequestStatus::Failed => Some(Ending::Failed),
        RequestStatus::Expired => Some(Ending::Expired),
    }
}

/// Whether nothing more can land, by the chain's clock.
fn is_over(job: &JobRow, on_chain: Option<&RequestRow>, now: u64) -> Result<bool, RelayerError> {
    let terms = Terms::decode(&job.escrow, &job.details)?;
    let mut last = terms.last_moment();
    if let Some(grace_ends_at) = on_chain.and_then(|row| row.grace_ends_at) {
        last = last.min(grace_ends_at.0);
    }
    let has_begun = job.sequence > 0 || on_chain.is_some_and(|row| row.sequence > 0);
    if !has_begun {
        last = last.min(terms.escrow.landing.startDeadline.to::<u64>());
    }
    Ok(now > last)
}
