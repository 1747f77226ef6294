//! Fees of an envelope and of its replacement (EIP-1559). Pure: what the chain asks for is an argument.

/// A replacement pays at least this part more, in percent times ten: nodes refuse less than 10 %, some 12.5 %.
const BUMP_PERMILLE: u128 = 125;

/// What an envelope offers for a unit of gas, in wei.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fees {
    /// `maxFeePerGas`.
    pub max_fee: u128,
    /// `maxPriorityFeePerGas`, at most `max_fee`.
    pub priority_fee: u128,
}

impl Fees {
    /// Fees of a first envelope: twice the base fee and the tip, at most `cap`.
    pub fn first(base_fee: u128, tip: u128, cap: u128) -> Self {
        let max_fee = base_fee.saturating_mul(2).saturating_add(tip).min(cap);
        Self { max_fee, priority_fee: tip.min(max_fee) }
    }

    /// Fees of a replacement: at least an eighth more of both, and at least what a first envelope would pay now.
    /// `None` where that is over the cap: the envelope stays as it is.
    pub fn replacement(self, base_fee: u128, tip: u128, cap: u128) -> Option<Self> {
        let now = Self::first(base_fee, tip, cap);
        let max_fee = eighth_more(self.max_fee).max(now.max_fee);
        let priority_fee = eighth_more(self.priority_fee).max(now.priority_fee);
        let max_fee = max_fee.max(priority_fee);
        (max_fee <= cap).then_some(Self { max_fee, priority_fee })
    }
}

fn eighth_more(fee: u128) -> u128 {
    fee.saturating_add(fee.saturating_mul(BUMP_PERMILLE).div_ceil(1000)).max(fee.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_first_envelope_survives_six_full_blocks() {
        let fees = Fees::first(100, 3, 1_000);
        assert_eq!(fees, Fees { max_fee: 203, priority_fee: 3 });
        assert_eq!(Fees::first(100, 3, 50), Fees { max_fee: 50, priority_fee: 3 });
        assert_eq!(Fees::first(100, 80, 50), Fees { max_fee: 50, priority_fee: 50 });
    }

    #[test]
    fn no_replacement_over_the_cap() {
        let fees = Fees { max_fee: 900, priority_fee: 1 };
        assert_eq!(fees.replacement(1, 1, 1_000), None);
        assert_eq!(fees.replacement(1, 1, 1_013), Some(Fees { max_fee: 1_013, priority_fee: 2 }));
    }

    proptest! {
        #[test]
        fn a_replacement_is_monotone_and_capped(
            max_fee in 0u128..1 << 60, tip in 0u128..1 << 60, base in 0u128..1 << 60, now in 0u128..1 << 60, cap in 0u128..1 << 62,
        ) {
            let fees = Fees { max_fee, priority_fee: tip.min(max_fee) };
            if let Some(next) = fees.replacement(base, now, cap) {
                prop_assert!(next.max_fee <= cap && next.priority_fee <= next.max_fee);
                prop_assert!(next.max_fee * 1000 >= fees.max_fee * 1125 && next.max_fee > fees.max_fee);
                prop_assert!(next.priority_fee * 1000 >= fees.priority_fee * 1125);
            } else {
                let least = fees.max_fee + (fees.max_fee * 125).div_ceil(1000);
                prop_assert!(least.max(fees.max_fee + 1) > cap || eighth_more(fees.priority_fee) > cap);
            }
        }
    }
}
