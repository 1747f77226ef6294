//! Lands what payers promised: permits, authorizations, vouchers, words of use; receipts of trainings by their own part. Vouchers are cumulative and what is paid
//! is read from the contract, so doing it again after a kill, a lost transaction or a reorg is always right.

use std::collections::{BTreeMap, BTreeSet};

use alloy::eips::BlockId;
use alloy::primitives::aliases::{U24, U40, U96};
use alloy::primitives::{Address, U256};
use alloy::sol_types::{SolCall, SolInterface};
use offsetdata_protocol::bindings::access::{AccessToken, AccessUse};
use offsetdata_protocol::bindings::billing::UsageBilling::{self, UsageBillingErrors};
use offsetdata_protocol::bindings::billing::{SignedVoucher, SpenderAuthorization, UsageVoucher};
use offsetdata_protocol::bindings::token::DevToken;
use offsetdata_store::gateway::lanes::{LaneRow, advance_lane, list_due_lanes, reopen_lanes};
use offsetdata_store::gateway::signed::{
    PermitRow, UseRow, advance_use, find_permit, find_spender, list_due_uses, reopen_uses,
};
use offsetdata_store::gateway::trainings::reopen_receipts;
use offsetdata_store::{Count, StoreError};

use crate::GatewayError;
use crate::chain::CallFailure;
use crate::context::Shared;
use crate::rights::READ;
use crate::voucher::saturate;

/// Vouchers in one transaction.
const BATCH: usize = 50;
/// Lanes looked at in one round.
const ROUND: u32 = 400;
/// A failure is tried again after so many seconds, twice as long each time.
const FIRST_BACKOFF: u64 = 2;
const LONGEST_BACKOFF: u64 = 3600;
/// No reorg takes away what landed longer ago, in seconds.
const REORG_SECONDS: u64 = 3600;
/// What has settled is looked at again until the depth that counts says so too.
const CONFIRM_SECONDS: u64 = 2;

/// What a round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Round {
    /// Lanes that were due.
    pub due: usize,
    /// Transactions that landed.
    pub transactions: usize,
}

impl Shared {
    /// Lands what is due. Each step is repeatable: the round may be cut off anywhere.
    ///
    /// # Errors
    /// A database or node that does not answer; then nothing is lost and the next round goes on.
    pub async fn settle_due(&self, now: u64) -> Result<Round, GatewayError> {
        self.hasten_wanted(now).await?;
        let mut round = Round::default();
        self.land_uses(now, &mut round).await?;
        self.claim_due(now, &mut round).await?;
        let mut conn = self.pool.acquire().await?;
        let due = list_due_lanes(&mut conn, now, ROUND).await?;
        drop(conn);
        round.due = due.len();
        self.metrics.due(due.len());
        let mut open = Vec::new();
        for row in due {
            if let Some(row) = self.look_at(row, now).await? {
                open.push(row);
            }
        }
        for batch in open.chunks(BATCH) {
            self.settle_batch(batch, now, &mut round).await?;
        }
        Ok(round)
    }

    /// Has all that landed lately compared with the chain once more: after a start, and where the chain has left the head
    /// seen last, as a reorg may reach below the depth that counts.
    pub(crate) async fn look_again(&self, now: u64) -> Result<(), GatewayError> {
        let since = now.saturating_sub(REORG_SECONDS);
        let mut tx = self.pool.write().await?;
        let lanes = reopen_lanes(&mut tx, since, now).await?;
        let receipts = reopen_receipts(&mut tx, since, now).await?;
        let uses = reopen_uses(&mut tx, since, now).await?;
        tx.commit().await.map_err(StoreError::from)?;
        if lanes + receipts + uses > 0 {
            tracing::info!(lanes, receipts, uses, "what landed lately is compared with the chain again");
        }
        Ok(())
    }

    /// Reads what the chain has paid of a lane. The lane comes back where there is something to land.
    async fn look_at(&self, mut row: LaneRow, now: u64) -> Result<Option<LaneRow>, GatewayError> {
        let head = self.chain.head().await?;
        row.settled = self.settled_of(&row, head.hash.into()).await?;
        let depth = head.number.saturating_sub(self.terms.confirmations.into());
        row.confirmed = self.settled_of(&row, BlockId::number(depth)).await?.min(row.settled);
        if row.settled < row.amount {
            return Ok(Some(row));
        }
        // Paid at the head; the depth that counts follows, or a reorg takes it back.
        (row.tries, row.failure, row.due_at) = (0, None, Count(now + CONFIRM_SECONDS));
        self.write_down(&row).await?;
        Ok(None)
    }

    async fn settled_of(&self, row: &LaneRow, at: BlockId) -> Result<u128, GatewayError> {
        let call = UsageBilling::settledOfCall {
            payer: row.payer,
            payee: row.payee,
            collection: row.collection.0,
            lane: row.lane,
        };
        match self.chain.read(self.deployment.usage_billing, &call, at).await {
            Ok(settled) => Ok(saturate(settled)),
            // A block below the deployment.
            Err(CallFailure::Reverted(_)) => Ok(0),
            Err(CallFailure::Failed(error)) => Err(error),
        }
    }

    async fn settle_batch(&self, rows: &[LaneRow], now: u64, round: &mut Round) -> Result<(), GatewayError> {
        let mut due: BTreeMap<Address, u128> = BTreeMap::new();
        for row in rows {
            let sum = due.entry(row.payer).or_default();
            *sum = sum.saturating_add(row.unsettled());
        }
        let mut failures: BTreeMap<Address, String> = BTreeMap::new();
        for (payer, due) in due {
            if let Err(error) = self.land_permit(payer, due, now, round).await {
                failures.insert(payer, error.to_string());
            }
        }
        let spenders: BTreeSet<(Address, Address)> =
            rows.iter().filter(|row| row.signer != row.payer).map(|row| (row.payer, row.signer)).collect();
        for (payer, spender) in spenders {
            if let Err(error) = self.land_authorization(payer, spender, now, round).await {
                failures.insert(payer, error.to_string());
            }
        }
        let billing = self.deployment.usage_billing;
        let mut items = Vec::new();
        let mut sent = Vec::new();
        for row in rows {
            // Who can't be paid costs no gas, and keeps its reason.
            let item = voucher_of(row);
            let call = UsageBilling::settleBatchCall { items: vec![item.clone()] };
            let paid = match self.chain.attempt(self.address(), billing, &call).await {
                Ok(paid) => saturate(paid),
                Err(failure) => return Err(failure.into()),
            };
            if paid == 0 {
                let reason = match failures.get(&row.payer) {
                    Some(reason) => reason.clone(),
                    None => self.reason_of(&item).await?,
                };
                self.put_off(row, reason, now).await?;
            } else {
                items.push(item);
                sent.push(row);
            }
        }
        if items.is_empty() {
            return Ok(());
        }
        let call = UsageBilling::settleBatchCall { items };
        let landed = self.land("settleBatch", billing, &call, round).await;
        for row in sent {
            if let Err(error) = &landed {
                self.put_off(row, error.to_string(), now).await?;
                continue;
            }
            let mut row = row.clone();
            row.settled = self.settled_of(&row, BlockId::latest()).await?;
            if row.settled < row.amount {
                let reason = self.reason_of(&voucher_of(&row)).await?;
                self.put_off(&row, reason, now).await?;
            } else {
                (row.tries, row.failure, row.due_at) = (0, None, Count(now + CONFIRM_SECONDS));
                self.write_down(&row).await?;
            }
        }
        landed
    }

    /// Lands the payer's permit where the allowance does not do.
    async fn land_permit(
        &self,
        payer: Address,
        due: u128,
        now: u64,
        round: &mut Round,
    ) -> Result<(), GatewayError> {
        let token = self.deployment.token;
        let allowance = DevToken::allowanceCall { owner: payer, spender: self.deployment.usage_billing };
        if self.chain.read_now(token, &allowance).await? >= U256::from(due) {
            return Ok(());
        }
        let mut conn = self.pool.acquire().await?;
        let permit = find_permit(&mut conn, payer).await?;
        drop(conn);
        let Some(permit) = permit.filter(|permit| permit.deadline >= U256::from(now)) else {
            return Ok(());
        };
        let nonce = self.chain.read_now(token, &DevToken::noncesCall { owner: payer }).await?;
        if nonce != permit.nonce {
            return Ok(());
        }
        let Some(call) = permit_call(&permit, self.deployment.usage_billing) else {
            return Ok(());
        };
        self.land("permit", token, &call, round).await
    }

    /// Lands the authorization of a spender key that has not landed.
    async fn land_authorization(
        &self,
        payer: Address,
        spender: Address,
        now: u64,
        round: &mut Round,
    ) -> Result<(), GatewayError> {
        let mut conn = self.pool.acquire().await?;
        let row = find_spender(&mut conn, payer, spender).await?;
        drop(conn);
        let Some(row) = row else { return Ok(()) };
        let billing = self.deployment.usage_billing;
        let call = UsageBilling::spenderOfCall { payer, spender };
        let state = self.chain.read_now(billing, &call).await?;
        if state.nonce.to::<u32>() != row.nonce || row.expiry.0 <= now {
            return Ok(());
        }
        let authorization = SpenderAuthorization {
            payer,
            spender,
            // What was too large for the contract was refused when it came.
            cap: U96::saturating_from(row.cap),
            expiry: U40::saturating_from(row.expiry.0),
            nonce: U24::saturating_from(row.nonce),
        };
        let call = UsageBilling::authorizeSpenderCall { authorization, signature: row.signature };
        self.land("authorizeSpender", billing, &call, round).await
    }

    async fn land_uses(&self, now: u64, round: &mut Round) -> Result<(), GatewayError> {
        let mut conn = self.pool.acquire().await?;
        let due = list_due_uses(&mut conn, now, ROUND).await?;
        drop(conn);
        let token = self.deployment.access_token;
        for mut row in due {
            let state =
                AccessToken::accessOfCall { collection: row.collection.0, right: READ, holder: row.holder };
            let access = self.chain.read_now(token, &state).await?;
            if access.since.to::<u64>() != row.since.0 || access.refundUntil.is_zero() {
                // Landed by somebody, or the purchase is gone.
                row.landed = true;
            } else {
                match self.land("landUse", token, &use_call(&row), round).await {
                    Ok(()) => row.landed = true,
                    Err(error) => {
                        row.due_at = Count(now + backoff(row.tries));
                        (row.tries, row.failure) = (row.tries.saturating_add(1), Some(error.to_string()));
                    }
                }
            }
            let mut tx = self.pool.write().await?;
            advance_use(&mut tx, &row).await?;
            tx.commit().await.map_err(StoreError::from)?;
        }
        Ok(())
    }

    pub(crate) async fn land<C: SolCall>(
        &self,
        what: &'static str,
        to: Address,
        call: &C,
        round: &mut Round,
    ) -> Result<(), GatewayError> {
        let (chain_id, max_fee) = (self.deployment.chain_id, self.settlement.max_fee);
        let landed = self.chain.land(what, &self.signer, chain_id, to, call, max_fee).await;
        self.metrics.landed(what, landed.is_ok());
        let receipt = landed.inspect_err(|error| tracing::warn!(what, %error, "not landed"))?;
        round.transactions += 1;
        tracing::info!(what, hash = %receipt.transaction_hash, gas = receipt.gas_used, "landed");
        Ok(())
    }

    /// Why the contract pays nothing for a voucher.
    async fn reason_of(&self, item: &SignedVoucher) -> Result<String, GatewayError> {
        let call = UsageBilling::settleCall { item: item.clone() };
        match self.chain.attempt(self.address(), self.deployment.usage_billing, &call).await {
            Ok(_) => Ok("it could be paid a moment later".to_owned()),
            Err(CallFailure::Failed(error)) => Err(error),
            Err(CallFailure::Reverted(data)) => Ok(UsageBillingErrors::abi_decode(&data)
                .map_or_else(|_| format!("refused with {data}"), |error| format!("{error:?}"))),
        }
    }

    async fn put_off(&self, row: &LaneRow, reason: String, now: u64) -> Result<(), GatewayError> {
        tracing::warn!(payer = %row.payer, collection = %row.collection, lane = row.lane, reason, "not settled");
        let mut row = row.clone();
        row.due_at = Count(now + backoff(row.tries));
        (row.tries, row.failure) = (row.tries.saturating_add(1), Some(reason.chars().take(300).collect()));
        self.write_down(&row).await
    }

    async fn write_down(&self, row: &LaneRow) -> Result<(), GatewayError> {
        let mut tx = self.pool.write().await?;
        advance_lane(&mut tx, row).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(())
    }
}

pub(crate) fn backoff(tries: u32) -> u64 {
    FIRST_BACKOFF.checked_shl(tries.min(32)).unwrap_or(LONGEST_BACKOFF).min(LONGEST_BACKOFF)
}

fn voucher_of(row: &LaneRow) -> SignedVoucher {
    SignedVoucher {
        voucher: UsageVoucher {
            payer: row.payer,
            payee: row.payee,
            collection: row.collection.0,
            lane: row.lane,
            amount: row.amount,
            records: row.records,
            validUntil: U40::saturating_from(row.valid_until.0),
            fromDeposit: row.from_deposit,
        },
        signer: row.signer,
        signature: row.signature.clone(),
    }
}

fn permit_call(permit: &PermitRow, spender: Address) -> Option<DevToken::permitCall> {
    let bytes: &[u8; 65] = permit.signature.as_ref().try_into().ok()?;
    Some(DevToken::permitCall {
        owner: permit.owner,
        spender,
        value: permit.value,
        deadline: permit.deadline,
        v: bytes[64],
        r: alloy::primitives::B256::from_slice(&bytes[..32]),
        s: alloy::primitives::B256::from_slice(&bytes[32..64]),
    })
}

fn use_call(row: &UseRow) -> AccessToken::landUseCall {
    AccessToken::landUseCall {
        r#use: AccessUse {
            collection: row.collection.0,
            right: READ,
            holder: row.holder,
            since: U40::saturating_from(row.since.0),
        },
        signature: row.signature.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_tried_again_later_and_later() {
        assert_eq!([0, 1, 2].map(backoff), [2, 4, 8]);
        assert_eq!(backoff(u32::MAX), LONGEST_BACKOFF);
    }
}
