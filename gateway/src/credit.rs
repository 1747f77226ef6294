//! How far a reader is trusted: pure arithmetic over what is charged, paid and available. It reads nothing.

/// What is open and paid of one account, in the token's smallest unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Promised and not paid, to this payee.
    pub open_with_payee: u128,
    /// Promised and not paid, for this collection.
    pub open_in_collection: u128,
    /// Promised and not paid, to anybody at this gateway.
    pub open_in_all: u128,
    /// Paid to this payee before.
    pub settled_with_payee: u128,
    /// What vouchers could be paid from now: min(allowance, balance), and the deposit where it counts.
    pub available: u128,
}

/// Why nothing more is given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// There is nothing to pay it from: `needed` is more than `available`.
    Unfunded {
        /// All that is open, with this.
        needed: u128,
        /// What there is.
        available: u128,
    },
    /// So much is open that it has to be settled first.
    OverCredit {
        /// Open after this.
        open: u128,
        /// What is trusted.
        limit: u128,
    },
}

/// Whether a chunk of price `due` may be given out on top of what is open.
///
/// Open with a payee may be what was settled with it before, under `cap`; one chunk always may, so that everybody can
/// begin. A dead reader so never costs a payee more than one chunk, or than it has paid already.
///
/// # Errors
/// [`Exhausted`], funds first: settling does not help where there is nothing to settle from.
pub fn admit(standing: Standing, due: u128, cap: u128) -> Result<(), Exhausted> {
    let needed = standing.open_in_all.saturating_add(due);
    if needed > standing.available {
        return Err(Exhausted::Unfunded { needed, available: standing.available });
    }
    for (open, limit) in
        [(standing.open_with_payee, standing.settled_with_payee.min(cap)), (standing.open_in_collection, cap)]
    {
        let (open, limit) = (open.saturating_add(due), limit.max(due));
        if open > limit {
            return Err(Exhausted::OverCredit { open, limit });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(open: u128, settled: u128) -> Standing {
        Standing {
            open_with_payee: open,
            open_in_collection: open,
            open_in_all: open,
            settled_with_payee: settled,
            available: 1_000_000,
        }
    }

    #[test]
    fn one_chunk_before_anything_is_settled() {
        assert_eq!(admit(standing(0, 0), 100, 1000), Ok(()));
        assert_eq!(admit(standing(100, 0), 100, 1000), Err(Exhausted::OverCredit { open: 200, limit: 100 }));
        assert_eq!(admit(standing(0, 0), 5000, 1000), Ok(()), "one chunk may be above the cap");
    }

    #[test]
    fn as_much_as_was_settled_under_the_cap() {
        assert_eq!(admit(standing(100, 200), 100, 1000), Ok(()));
        assert!(admit(standing(101, 200), 100, 1000).is_err());
        assert_eq!(admit(standing(900, 50_000), 100, 1000), Ok(()));
        assert_eq!(
            admit(standing(901, 50_000), 100, 1000),
            Err(Exhausted::OverCredit { open: 1001, limit: 1000 })
        );
    }

    #[test]
    fn only_what_can_be_paid() {
        let poor = Standing { available: 150, ..standing(100, 1000) };
        assert_eq!(admit(poor, 100, 1000), Err(Exhausted::Unfunded { needed: 200, available: 150 }));
        assert_eq!(admit(poor, 50, 1000), Ok(()));
        let elsewhere = Standing { open_in_all: 1_000_000, ..standing(0, 0) };
        assert!(matches!(admit(elsewhere, 1, 1000), Err(Exhausted::Unfunded { .. })));
    }

    #[test]
    fn nothing_overflows_and_free_chunks_need_nothing() {
        assert!(admit(standing(u128::MAX, u128::MAX), u128::MAX, u128::MAX).is_err());
        assert_eq!(admit(Standing::default(), 0, 0), Ok(()));
    }
}
