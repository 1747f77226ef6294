//! Turns revert data into the contract's own words. It knows the errors of our contracts and of their libraries.

use crate::bindings::access::AccessToken::AccessTokenErrors;
use crate::bindings::billing::UsageBilling::UsageBillingErrors;
use crate::bindings::collections::CollectionRegistry::CollectionRegistryErrors;
use crate::bindings::forwarder::ERC2771Forwarder::ERC2771ForwarderErrors;
use crate::bindings::models::ModelRegistry::ModelRegistryErrors;
use crate::bindings::token::DevToken::DevTokenErrors;
use crate::bindings::training::TrainingCoordinator::TrainingCoordinatorErrors;
use alloy::primitives::Bytes;
use alloy::sol_types::{Revert, SolError, SolInterface};

/// The reason in words: name and values of the error.
pub fn reason(data: &[u8]) -> String {
    if let Ok(Revert { reason }) = Revert::abi_decode(data) {
        return reason;
    }
    macro_rules! known {
        ($($errors:ty),*) => {$(
            if let Ok(error) = <$errors>::abi_decode(data) {
                return plain(&format!("{error:?}"));
            }
        )*};
    }
    known!(
        TrainingCoordinatorErrors,
        ModelRegistryErrors,
        AccessTokenErrors,
        CollectionRegistryErrors,
        UsageBillingErrors,
        DevTokenErrors,
        ERC2771ForwarderErrors
    );
    if data.is_empty() {
        return "without a reason".to_owned();
    }
    // What nobody of us knows may be as long as a contract likes.
    format!("unknown error {}", Bytes::copy_from_slice(&data[..data.len().min(68)]))
}

/// `A(A { x: 1 })` becomes `A { x: 1 }`.
fn plain(debug: &str) -> String {
    let Some((_, inner)) = debug.split_once('(') else { return debug.to_owned() };
    inner.strip_suffix(')').unwrap_or(inner).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::token::DevToken::ERC20InsufficientBalance;
    use crate::bindings::training::TrainingCoordinator::TrainingCoordinator_StaleAttempt;
    use alloy::primitives::address;

    #[test]
    fn reasons_are_told_by_name_and_values() {
        let stale = TrainingCoordinator_StaleAttempt { actual: 1, current: 2 }.abi_encode();
        assert_eq!(reason(&stale), "TrainingCoordinator_StaleAttempt { actual: 1, current: 2 }");
        let sender = address!("0x00000000000000000000000000000000000000aa");
        let poor = ERC20InsufficientBalance {
            sender,
            balance: alloy::primitives::U256::from(1),
            needed: alloy::primitives::U256::from(2),
        };
        assert!(reason(&poor.abi_encode()).starts_with("ERC20InsufficientBalance"));
        assert_eq!(reason(&Revert::from("plain words").abi_encode()), "plain words");
        assert_eq!(reason(&[]), "without a reason");
        assert_eq!(reason(&[1, 2, 3, 4]), "unknown error 0x01020304");
    }
}
