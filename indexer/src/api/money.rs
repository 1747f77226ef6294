//! Where the escrow of a request is: what developer, relayers and publishers were paid, what went back, what is still held.
//! It adds what events say and reads no balance.

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolValue;
use async_graphql::SimpleObject;
use offsetdata_protocol::bindings::training::EscrowTerms;
use offsetdata_store::chain::Page;
use offsetdata_store::chain::requests::RequestRow;
use offsetdata_store::chain::training::{self, ClosingRow, DataPaymentRow};
use offsetdata_store::{Conn, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use super::scalars::{Account, Amount, Long};

/// Rows that are added at once.
const PART: u32 = 1000;

/// What one relayer was paid for commitments that it landed.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RelayerPaid {
    relayer: Account,
    /// Commitments that it landed within the cap of fees.
    landings: Long,
    paid: Amount,
}

/// What one publisher was paid by receipts for one input.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PublisherPaid {
    /// Place of the input in the request.
    input: Long,
    payee: Account,
    /// Records given, by the last receipt.
    records: Long,
    paid: Amount,
}

/// Where the escrow of a request is, in the token's smallest unit. What was paid and returned and what is held are together what
/// was escrowed.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Money {
    escrowed: Amount,
    /// To the developer, so far or over all.
    developer_paid: Amount,
    /// To relayers, so far or over all.
    relay_paid: Amount,
    /// By relayer, for commitments.
    relayers: Vec<RelayerPaid>,
    /// To whoever landed the settlement; no event names the account.
    settlement_fee: Amount,
    /// To publishers.
    data_paid: Amount,
    /// By input, in the order of the inputs.
    publishers: Vec<PublisherPaid>,
    /// Back to the user at the end, escrow for data aside.
    refunded: Amount,
    /// Escrow for data that went back to the user.
    data_released: Amount,
    /// Still in the contract.
    held: Amount,
}

/// Reads the parts and adds them.
///
/// # Errors
/// A database that can't be read.
pub(crate) async fn of(conn: &mut Conn, request: &RequestRow) -> Result<Money, StoreError> {
    let escrow = EscrowTerms::abi_decode(&request.escrow).map_err(|error| StoreError::Column {
        column: "escrow".to_owned(),
        expected: "abi.encode(EscrowTerms)",
        actual: error.to_string(),
    })?;
    let closing = training::find_closing(conn, request.id).await?;
    let collected = match &closing {
        Some(_) => U256::ZERO,
        None => collected(conn, request).await?,
    };
    let cap = u64::from(escrow.landing.relayFeeCap);
    let landings = training::count_landings(conn, request.id, cap).await?;
    let mut payments = Vec::new();
    let mut page = Page::first(PART);
    loop {
        let rows = training::list_data_payments(conn, request.id, page).await?;
        page.after = rows.last().map(|row| row.position);
        let full = rows.len() == PART as usize;
        add_payments(&mut payments, rows);
        if !full {
            break;
        }
    }
    let released = training::list_data_releases(conn, request.id).await?;
    let released = released.iter().fold(U256::ZERO, |sum, row| sum.saturating_add(row.amount));
    Ok(sum(&escrow, closing.as_ref(), collected, landings, payments, released))
}

/// What the developer collected while the request runs.
async fn collected(conn: &mut Conn, request: &RequestRow) -> Result<U256, StoreError> {
    let mut page = Page::first(PART);
    let mut sum = U256::ZERO;
    loop {
        let rows = training::list_unit_collections(conn, request.id, page).await?;
        sum = rows.iter().fold(sum, |sum, row| sum.saturating_add(row.amount));
        if rows.len() < PART as usize {
            return Ok(sum);
        }
        page.after = rows.last().map(|row| row.position);
    }
}

fn add_payments(payments: &mut Vec<(u32, Address, u32, U256)>, rows: Vec<DataPaymentRow>) {
    for row in rows {
        match payments.iter_mut().find(|(input, payee, ..)| (*input, *payee) == (row.input, row.payee)) {
            Some((_, _, records, paid)) => {
                *records = row.records;
                *paid = paid.saturating_add(U256::from(row.amount));
            }
            None => payments.push((row.input, row.payee, row.records, U256::from(row.amount))),
        }
    }
    payments.sort_unstable_by_key(|(input, ..)| *input);
}

/// Amounts are bounded by what was escrowed, which fits; sums saturate where a chain were to say otherwise.
fn sum(
    escrow: &EscrowTerms,
    closing: Option<&ClosingRow>,
    collected: U256,
    landings: Vec<(Address, u64)>,
    payments: Vec<(u32, Address, u32, U256)>,
    released: U256,
) -> Money {
    let fee = U256::from(escrow.landing.relayFee);
    let times = |left: U256, right: U256| left.saturating_mul(right);
    let escrowed = times(escrow.landing.unitLimit.to(), U256::from(escrow.unitPrice))
        .saturating_add(times(fee, U256::from(escrow.landing.relayFeeCap)))
        .saturating_add(U256::from(escrow.dataEscrow));
    let by_relayers =
        landings.iter().fold(U256::ZERO, |sum, (_, n)| sum.saturating_add(times(fee, U256::from(*n))));
    let data_paid = payments.iter().fold(U256::ZERO, |sum, (.., paid)| sum.saturating_add(*paid));
    let (developer_paid, relay_paid, refunded) = match closing {
        Some(closing) => (closing.developer_paid, closing.relay_paid, closing.refunded),
        None => (collected, by_relayers, U256::ZERO),
    };
    let moved = [developer_paid, relay_paid, refunded, data_paid, released]
        .into_iter()
        .fold(U256::ZERO, U256::saturating_add);
    Money {
        escrowed: escrowed.into(),
        developer_paid: developer_paid.into(),
        relay_paid: relay_paid.into(),
        relayers: landings
            .into_iter()
            .map(|(relayer, n)| RelayerPaid {
                relayer: Account(relayer),
                landings: n.into(),
                paid: times(fee, U256::from(n)).into(),
            })
            .collect(),
        settlement_fee: relay_paid.saturating_sub(by_relayers).into(),
        data_paid: data_paid.into(),
        publishers: payments
            .into_iter()
            .map(|(input, payee, records, paid)| PublisherPaid {
                input: u64::from(input).into(),
                payee: Account(payee),
                records: u64::from(records).into(),
                paid: paid.into(),
            })
            .collect(),
        refunded: refunded.into(),
        data_released: released.into(),
        held: escrowed.saturating_sub(moved).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{
        B256,
        aliases::{U40, U48},
    };
    use offsetdata_protocol::bindings::training::LandingTerms;
    use offsetdata_protocol::ids::RequestId;
    use offsetdata_store::Count;
    use offsetdata_store::chain::Position;
    use offsetdata_store::chain::requests::RequestStatus;

    fn escrow() -> EscrowTerms {
        EscrowTerms {
            user: Address::ZERO,
            developer: Address::ZERO,
            scheduler: Address::ZERO,
            unitPrice: 11,
            holdbackBps: 1_000,
            dataEscrow: 600,
            receiptWindow: 0,
            landing: LandingTerms {
                unitLimit: U48::from(1_000u64),
                maxUnitsPerSecond: 1,
                relayFee: 7,
                relayFeeCap: 3,
                openedAt: U40::ZERO,
                startDeadline: U40::ZERO,
                deadline: U40::ZERO,
                gracePeriod: 0,
            },
        }
    }

    fn number(amount: Amount) -> u64 {
        amount.0.to()
    }

    /// 1,000 units of 11, three fees of 7, 600 for data.
    const ESCROWED: u64 = 11_000 + 21 + 600;

    #[test]
    fn while_it_runs_the_rest_is_held() {
        let relayer = Address::repeat_byte(1);
        let payments = vec![(0, Address::repeat_byte(2), 20, U256::from(40))];
        let money = sum(&escrow(), None, U256::from(990), vec![(relayer, 2)], payments, U256::ZERO);
        assert_eq!(number(money.escrowed), ESCROWED);
        assert_eq!((number(money.developer_paid), number(money.relay_paid)), (990, 14));
        assert_eq!((number(money.data_paid), number(money.refunded)), (40, 0));
        assert_eq!(number(money.held), ESCROWED - 990 - 14 - 40);
        assert_eq!(number(money.settlement_fee), 0);
    }

    #[test]
    fn in_the_end_nothing_is_held() {
        let closing = ClosingRow {
            position: Position::START,
            request: RequestId::from(B256::ZERO),
            status: RequestStatus::Settled,
            units: Count(900),
            developer_paid: U256::from(9_900),
            relay_paid: U256::from(21),
            refunded: U256::from(1_100),
            reason_digest: B256::ZERO,
        };
        let payments = vec![(0, Address::repeat_byte(2), 20, U256::from(40))];
        let landings = vec![(Address::repeat_byte(1), 1), (Address::repeat_byte(3), 1)];
        let money = sum(&escrow(), Some(&closing), U256::ZERO, landings, payments, U256::from(560));
        assert_eq!(number(money.held), 0);
        assert_eq!(number(money.settlement_fee), 7, "the third landing was the settlement");
        assert_eq!(money.relayers.len(), 2);
    }
}
