//! Turns revert data into the contract's own words. It knows the errors of our contracts and of their libraries.

use alloy::primitives::Bytes;
use alloy::sol_types::{Revert, SolError, SolInterface};
use offsetdata_protocol::bindings::access::AccessToken::AccessTokenErrors;
use offsetdata_protocol::bindings::billing::UsageBilling::UsageBillingErrors;
use offsetdata_protocol::bindings::collections::CollectionRegistry::CollectionRegistryErrors;
use offsetdata_protocol::bindings::models::ModelRegistry::ModelRegistryErrors;
use offsetdata_protocol::bindings::token::DevToken::DevTokenErrors;
use offsetdata_protocol::bindings::training::TrainingCoordinator::TrainingCoordinatorErrors;

/// The reason in words: name and values of the error.
pub(crate) fn reason(data: &Bytes) -> String {
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
        DevTokenErrors
    );
    if data.is_empty() { "without a reason".to_owned() } else { format!("unknown error {data}") }
}

/// `A(A { x: 1 })` becomes `A { x: 1 }`.
fn plain(debug: &str) -> String {
    let Some((_, inner)) = debug.split_once('(') else { return debug.to_owned() };
    inner.strip_suffix(')').unwrap_or(inner).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::address;
    use offsetdata_protocol::bindings::token::DevToken::ERC20InsufficientBalance;
    use offsetdata_protocol::bindings::training::TrainingCoordinator::TrainingCoordinator_StaleAttempt;

    #[test]
    fn reasons_are_told_by_name_and_values() {
        let stale = TrainingCoordinator_StaleAttempt { actual: 1, current: 2 }.abi_encode();
        assert_eq!(reason(&stale.into()), "TrainingCoordinator_StaleAttempt { actual: 1, current: 2 }");
        let sender = address!("0x00000000000000000000000000000000000000aa");
        let poor = ERC20InsufficientBalance {
            sender,
            balance: alloy::primitives::U256::from(1),
            needed: alloy::primitives::U256::from(2),
        };
        assert!(reason(&poor.abi_encode().into()).starts_with("ERC20InsufficientBalance"));
        assert_eq!(reason(&Revert::from("plain words").abi_encode().into()), "plain words");
        assert_eq!(reason(&Bytes::new()), "without a reason");
        assert_eq!(reason(&Bytes::from_static(&[1, 2, 3, 4])), "unknown error 0x01020304");
    }
}
