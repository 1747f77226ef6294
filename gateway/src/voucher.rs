//! Whether a voucher pays for a chunk: first what it says and who signed it, then, within the transaction that takes it,
//! whether it follows its lane. It stores nothing.

use alloy::eips::BlockId;
use alloy::primitives::aliases::U40;
use alloy::primitives::{Address, U256};
use alloy::sol_types::SolStruct;
use futures::future::try_join_all;
use offsetdata_protocol::bindings::billing::UsageBilling;
use offsetdata_protocol::bindings::token::DevToken;
use offsetdata_protocol::gateway_api::{LaneQuote, Text, VoucherUpload, code, lane};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::messages::UsageVoucher;
use offsetdata_store::gateway::lanes::{LaneRow, list_lanes_of};
use offsetdata_store::gateway::signed::{find_permit, find_spender};

use crate::Refused;
use crate::context::Shared;
use crate::signature;

/// A permit that ends within so many seconds is not counted on.
const PERMIT_MARGIN: u64 = 60;

/// Payee, collection and lane.
pub type LaneKey = (Address, CollectionId, u64);
/// So many open lanes of one payer are looked at; of others the journal's older word counts, which only trusts less.
const MOST_LANES: usize = 64;

/// What a chunk costs, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Price {
    /// Who pays.
    pub payer: Address,
    /// Who is paid.
    pub payee: Address,
    /// For which collection.
    pub collection: CollectionId,
    /// What is due.
    pub due: u128,
    /// For so many records.
    pub records: u32,
}

/// What one block says about a voucher's money. One block: a settlement between two looks would be counted twice.
#[derive(Debug, Clone, Default)]
pub struct Funds {
    /// What the payer's open lanes have settled.
    pub settled: Vec<(LaneKey, u128)>,
    /// Settled of the lane.
    pub lane_settled: u128,
    /// min(allowance, balance), counting a permit that is stored and will land.
    pub allowed: u128,
    /// Deposit for the payee, where the voucher takes it.
    pub deposit: u128,
    /// What the spender key may still spend beyond what has settled; `None` where the payer signed itself.
    pub spender_room: Option<u128>,
}

impl Price {
    /// What the next voucher of a lane has to say.
    pub fn quote(&self, lane: u64, before: Option<&LaneRow>) -> LaneQuote {
        let (amount, records) = before.map_or((0, 0), |row| (row.amount, row.records));
        LaneQuote {
            payee: self.payee,
            due: Text(self.due),
            records: self.records,
            lane: Text(lane),
            lane_amount: Text(amount.saturating_add(self.due)),
            lane_records: Text(records.saturating_add(self.records.into())),
        }
    }
}

/// Whether the voucher is the lane's next: exactly what was promised before and what is due now. More would take money
/// for nothing, less would give away records.
///
/// # Errors
/// `replayed`, `wrongAmount`, `wrongLane`.
pub fn follows(
    voucher: &VoucherUpload,
    before: Option<&LaneRow>,
    funds: &Funds,
    price: &Price,
) -> Result<(), Refused> {
    let quote = price.quote(voucher.lane.0, before);
    match before {
        None if funds.lane_settled > 0 => {
            let detail = format!("lane {} was used elsewhere: take another one", voucher.lane.0);
            Err(Refused::new(code::WRONG_LANE, detail))
        }
        Some(row) if voucher.amount.0 <= row.amount => {
            let detail = format!(
                "lane {} stands at {} already, the voucher says {}: it was used, or is older",
                voucher.lane.0, row.amount, voucher.amount.0
            );
            Err(Refused::new(code::REPLAYED, detail).with_quote(quote))
        }
        _ if voucher.amount != quote.lane_amount || voucher.records != quote.lane_records => {
            let detail = format!(
                "expected an amount of {} and {} records, the voucher says {} and {}",
                quote.lane_amount.0, quote.lane_records.0, voucher.amount.0, voucher.records.0
            );
            Err(Refused::new(code::WRONG_AMOUNT, detail).with_quote(quote))
        }
        _ => Ok(()),
    }
}

impl Shared {
    /// Whether the voucher is for this payer, payee, collection and gateway, long enough valid and signed; and what
    /// there is to pay it from.
    ///
    /// # Errors
    /// `wrongParty`, `wrongLane`, `expired`, `foreignSignature`, `unknownSpender`.
    pub async fn check_voucher(
        &self,
        voucher: &VoucherUpload,
        price: &Price,
        now: u64,
    ) -> Result<Funds, Refused> {
        if voucher.payee != price.payee {
            let detail = format!("expected {} as payee, the voucher says {}", price.payee, voucher.payee);
            return Err(Refused::new(code::WRONG_PARTY, detail));
        }
        let first = lane(self.address(), 0);
        if voucher.lane.0 >> 32 != first >> 32 {
            let detail = format!("lanes of this gateway are {first} to {}", lane(self.address(), u32::MAX));
            return Err(Refused::new(code::WRONG_LANE, detail));
        }
        let least = now + self.terms.voucher_seconds;
        if voucher.valid_until < least {
            let detail =
                format!("the voucher is valid until {}, expected at least {least}", voucher.valid_until);
            return Err(Refused::new(code::EXPIRED, detail));
        }
        let message = UsageVoucher {
            payer: price.payer,
            payee: voucher.payee,
            collection: price.collection.0,
            lane: voucher.lane.0,
            amount: voucher.amount.0,
            records: voucher.records.0,
            validUntil: uint40("validUntil", voucher.valid_until)?,
            fromDeposit: voucher.from_deposit,
        };
        let digest = message.eip712_signing_hash(&self.billing_domain());
        signature::require(&self.chain, "voucher", voucher.signer, digest, &voucher.signature).await?;
        let at = BlockId::from(self.chain.head().await?.hash);
        let spender_room = match voucher.signer == price.payer {
            true => None,
            false => Some(self.spender_room(price.payer, voucher.signer, now, at).await?),
        };
        let billing = self.deployment.usage_billing;
        let mut conn = self.pool.acquire().await?;
        let mut lanes: Vec<LaneKey> = list_lanes_of(&mut conn, price.payer)
            .await?
            .iter()
            .filter(|row| row.unsettled() > 0)
            .map(|row| (row.payee, row.collection, row.lane))
            .take(MOST_LANES)
            .collect();
        drop(conn);
        let this = (price.payee, price.collection, voucher.lane.0);
        lanes.retain(|key| *key != this);
        lanes.insert(0, this);
        let settled = lanes.into_iter().map(async |key: LaneKey| {
            let (payee, collection, lane) = key;
            let call =
                UsageBilling::settledOfCall { payer: price.payer, payee, collection: collection.0, lane };
            Ok::<_, Refused>((key, saturate(self.chain.read(billing, &call, at).await?)))
        });
        let deposit = UsageBilling::depositOfCall { payer: price.payer, payee: price.payee };
        let deposit = async {
            match voucher.from_deposit {
                true => Ok(self.chain.read(billing, &deposit, at).await?.balance.to::<u128>()),
                false => Ok::<u128, Refused>(0),
            }
        };
        let (settled, deposit, allowed) =
            futures::try_join!(try_join_all(settled), deposit, self.allowed(price.payer, now, at))?;
        let lane_settled = settled.first().map_or(0, |(_, settled)| *settled);
        Ok(Funds { settled, lane_settled, allowed, deposit, spender_room })
    }

    /// What the key may spend beyond what has settled.
    async fn spender_room(
        &self,
        payer: Address,
        spender: Address,
        now: u64,
        at: BlockId,
    ) -> Result<u128, Refused> {
        let least = now + self.terms.voucher_seconds;
        let call = UsageBilling::spenderOfCall { payer, spender };
        let state = self.chain.read(self.deployment.usage_billing, &call, at).await?;
        let mut conn = self.pool.acquire().await?;
        let stored = find_spender(&mut conn, payer, spender).await?;
        let (cap, spent, expiry) = match stored {
            // It has not landed; when it does, nothing is spent of it.
            Some(row) if row.nonce == state.nonce.to::<u32>() => (row.cap, 0, row.expiry.0),
            _ => (state.cap.to::<u128>(), state.spent.to::<u128>(), state.expiry.to::<u64>()),
        };
        if expiry == 0 {
            let detail = format!("{payer} has not authorized {spender}, or has revoked it");
            return Err(Refused::new(code::UNKNOWN_SPENDER, detail));
        }
        if expiry < least {
            let detail =
                format!("the authorization of {spender} ends at {expiry}, expected at least {least}");
            return Err(Refused::new(code::EXPIRED, detail));
        }
        Ok(cap.saturating_sub(spent))
    }

    /// min(allowance, balance) of the payer.
    pub async fn allowed(&self, payer: Address, now: u64, at: BlockId) -> Result<u128, Refused> {
        let balance = DevToken::balanceOfCall { account: payer };
        let balance = async { Ok(self.chain.read(self.deployment.token, &balance, at).await?) };
        let (allowance, balance) = futures::try_join!(self.allowance_at(payer, now, at), balance)?;
        Ok(saturate(allowance.min(balance)))
    }

    /// Allowance of the payer to UsageBilling; a stored permit that will land counts as it.
    pub(crate) async fn allowance_at(&self, payer: Address, now: u64, at: BlockId) -> Result<U256, Refused> {
        let token = self.deployment.token;
        let allowance = DevToken::allowanceCall { owner: payer, spender: self.deployment.usage_billing };
        let allowance = self.chain.read(token, &allowance, at).await?;
        let mut conn = self.pool.acquire().await?;
        let permit = find_permit(&mut conn, payer).await?;
        drop(conn);
        Ok(match permit {
            Some(permit) if permit.deadline > U256::from(now + PERMIT_MARGIN) && permit.value > allowance => {
                let nonces = DevToken::noncesCall { owner: payer };
                let nonce = self.chain.read(token, &nonces, at).await?;
                if nonce == permit.nonce { permit.value } else { allowance }
            }
            _ => allowance,
        })
    }
}

pub(crate) fn saturate(amount: U256) -> u128 {
    u128::try_from(amount).unwrap_or(u128::MAX)
}

/// A time as the contracts have it.
pub(crate) fn uint40(what: &str, time: u64) -> Result<U40, Refused> {
    U40::try_from(time)
        .map_err(|_| Refused::new(code::MALFORMED, format!("{what} is {time}, at most 2^40 - 1 is a time")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{B256, Bytes};
    use offsetdata_store::Count;

    fn price() -> Price {
        Price {
            payer: Address::repeat_byte(1),
            payee: Address::repeat_byte(2),
            collection: CollectionId(B256::repeat_byte(3)),
            due: 50,
            records: 5,
        }
    }

    fn voucher(amount: u128, records: u64) -> VoucherUpload {
        VoucherUpload {
            payee: price().payee,
            lane: Text(7),
            amount: Text(amount),
            records: Text(records),
            valid_until: 0,
            from_deposit: false,
            signer: price().payer,
            signature: Bytes::new(),
        }
    }

    fn row(amount: u128, records: u64) -> LaneRow {
        LaneRow {
            payer: price().payer,
            payee: price().payee,
            collection: price().collection,
            lane: 7,
            amount,
            records,
            valid_until: Count(0),
            from_deposit: false,
            signer: price().payer,
            signature: Bytes::new(),
            settled: 0,
            confirmed: 0,
            open: true,
            due_at: Count(0),
            tries: 0,
            failure: None,
            updated_at: Count(0),
        }
    }

    #[test]
    fn a_voucher_adds_exactly_what_is_due() {
        let check = |voucher: VoucherUpload, before: Option<LaneRow>| {
            follows(&voucher, before.as_ref(), &Funds::default(), &price()).map_err(|refused| refused.code())
        };
        assert_eq!(check(voucher(50, 5), None), Ok(()));
        assert_eq!(check(voucher(150, 15), Some(row(100, 10))), Ok(()));
        assert_eq!(check(voucher(100, 10), Some(row(100, 10))), Err(code::REPLAYED));
        assert_eq!(check(voucher(50, 5), Some(row(100, 10))), Err(code::REPLAYED));
        for (amount, records) in [(149, 15), (151, 15), (150, 14), (150, 16)] {
            assert_eq!(check(voucher(amount, records), Some(row(100, 10))), Err(code::WRONG_AMOUNT));
        }
        assert_eq!(check(voucher(0, 0), None), Err(code::WRONG_AMOUNT));
        let used = Funds { lane_settled: 1, ..Funds::default() };
        assert_eq!(follows(&voucher(50, 5), None, &used, &price()).unwrap_err().code(), code::WRONG_LANE);
    }
}
