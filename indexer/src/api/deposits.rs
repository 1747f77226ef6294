//! Deposits as they stand, to the token's smallest unit: the events of each are gone through as the contract did.

use alloy::primitives::{Address, U256};
use async_graphql::SimpleObject;
use offsetdata_store::chain::billing::{self, DepositEventKind, DepositEventRow};
use offsetdata_store::chain::{Page, Position};
use offsetdata_store::{Conn, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use super::scalars::{Account, Amount, Long};

/// Events that are gone through at once.
const PART: u32 = 1000;

/// What a payer deposited for one payee.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deposit {
    payer: Account,
    payee: Account,
    balance: Amount,
    /// What of it the payer gave notice to take out.
    thawing: Amount,
    /// When that may be taken out, Unix seconds.
    thaws_at: Option<Long>,
}

/// A deposit at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct State {
    balance: U256,
    thawing: U256,
    thaws_at: u64,
}

impl State {
    /// After one event more.
    fn after(self, event: &DepositEventRow) -> Self {
        match event.kind {
            DepositEventKind::Deposited => {
                let balance = event.balance.unwrap_or(self.balance.saturating_add(event.amount));
                Self { balance, ..self }
            }
            DepositEventKind::Thawing => Self { thawing: event.amount, thaws_at: event.thaws_at.0, ..self },
            DepositEventKind::Withdrawn => {
                let balance = event.balance.unwrap_or(self.balance.saturating_sub(event.amount));
                Self { balance, thawing: U256::ZERO, thaws_at: 0 }
            }
            // What thaws is the last to be taken.
            DepositEventKind::Taken => {
                let balance = self.balance.saturating_sub(event.amount);
                Self { balance, thawing: self.thawing.min(balance), ..self }
            }
        }
    }
}

/// The deposits of one payer or for one payee.
///
/// # Errors
/// A database that can't be read.
pub(crate) async fn list(
    conn: &mut Conn,
    payer: Option<Address>,
    payee: Option<Address>,
    page: Page,
) -> Result<Vec<(Position, Deposit)>, StoreError> {
    let mut found = Vec::new();
    for first in billing::list_first_deposit_events(conn, payer, payee, page).await? {
        let state = stands(conn, first.payer, first.payee).await?;
        let deposit = Deposit {
            payer: Account(first.payer),
            payee: Account(first.payee),
            balance: state.balance.into(),
            thawing: state.thawing.into(),
            thaws_at: (!state.thawing.is_zero()).then(|| state.thaws_at.into()),
        };
        found.push((first.position, deposit));
    }
    Ok(found)
}

async fn stands(conn: &mut Conn, payer: Address, payee: Address) -> Result<State, StoreError> {
    let mut page = Page::first(PART);
    let mut state = State::default();
    loop {
        let events = billing::list_deposit_events(conn, Some(payer), Some(payee), page).await?;
        state = events.iter().fold(state, State::after);
        if events.len() < PART as usize {
            return Ok(state);
        }
        page.after = events.last().map(|event| event.position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use offsetdata_store::Count;

    fn event(kind: DepositEventKind, amount: u64, balance: Option<u64>, thaws_at: u64) -> DepositEventRow {
        DepositEventRow {
            position: Position::START,
            kind,
            payer: Address::ZERO,
            payee: Address::ZERO,
            amount: U256::from(amount),
            balance: balance.map(U256::from),
            thaws_at: Count(thaws_at),
        }
    }

    #[test]
    fn goes_as_the_contract_does() {
        use DepositEventKind::{Deposited, Taken, Thawing, Withdrawn};
        let mut state = State::default();
        for (event, balance, thawing, thaws_at) in [
            (event(Deposited, 500, Some(500), 0), 500, 0, 0),
            (event(Taken, 120, None, 0), 380, 0, 0),
            (event(Thawing, 300, None, 77), 380, 300, 77),
            (event(Taken, 50, None, 0), 330, 300, 77),
            (event(Taken, 100, None, 0), 230, 230, 77),
            (event(Deposited, 20, Some(250), 0), 250, 230, 77),
            (event(Withdrawn, 230, Some(20), 0), 20, 0, 0),
            (event(Thawing, 20, None, 99), 20, 20, 99),
            (event(Thawing, 0, None, 0), 20, 0, 0),
        ] {
            state = state.after(&event);
            let expected = State { balance: U256::from(balance), thawing: U256::from(thawing), thaws_at };
            assert_eq!(state, expected, "{event:?}");
        }
    }
}
