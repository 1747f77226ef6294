//! Which calls are paid for: one table, each verb with the contract that it belongs to. It looks at nothing but
//! contract, selector and, where the call carries the user's signature itself, at who that user is.
//!
//! Not in it, and why:
//! * `commit`, `commitAssigned`, `commitBatch`, `settle`, `close`, `claimData`, `settleBatch`, `landUse`: who lands them
//!   earns or saves a fee. A stranger would earn it with our gas.
//! * `publishBase`, `offerMethod`, `setWorkers`, `collect` and the like: developers run services and have ETH.
//! * `safeTransferFrom`: the receiver's code would run on our gas. `transferFrom` moves a model without it.
//! * Anything of the token but a permit: the token takes nothing from a forwarder.
//!
//! `withdraw` is in it: it moves the caller's own credit to where the caller says, and refunds would be out of reach for
//! an account without ETH. What it costs counts against the same budget.

use alloy::primitives::Address;
use alloy::sol_types::SolCall;
use offsetdata_protocol::bindings::access::AccessToken as access;
use offsetdata_protocol::bindings::billing::UsageBilling as billing;
use offsetdata_protocol::bindings::collections::CollectionRegistry as collections;
use offsetdata_protocol::bindings::models::ModelRegistry as models;
use offsetdata_protocol::bindings::token::DevToken as token;
use offsetdata_protocol::bindings::training::TrainingCoordinator as training;
use offsetdata_protocol::deployments::Deployment;

/// A contract of the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contract {
    Collections,
    Access,
    Billing,
    Models,
    Training,
    Token,
}

impl Contract {
    pub(super) fn at(address: Address, deployment: &Deployment) -> Option<Self> {
        [
            (deployment.collection_registry, Self::Collections),
            (deployment.access_token, Self::Access),
            (deployment.usage_billing, Self::Billing),
            (deployment.model_registry, Self::Models),
            (deployment.training_coordinator, Self::Training),
            (deployment.token, Self::Token),
        ]
        .into_iter()
        .find_map(|(at, contract)| (at == address).then_some(contract))
    }
}

macro_rules! verbs {
    ($($contract:ident: $($call:ty),+;)+) => {
        &[$($((Contract::$contract, <$call>::SELECTOR)),+),+]
    };
}

/// Calls in the name of whoever signed for the forwarder.
const FORWARDED: &[(Contract, [u8; 4])] = verbs! {
    Collections: collections::registerCall, collections::proveAppendCall, collections::reviseMetadataCall,
        collections::sealKeyCall, collections::retireCall, collections::flagCall, collections::transferPublisherCall,
        collections::acceptPublisherCall;
    Access: access::setOfferCall, access::clearOfferCall, access::grantCall, access::revokeCall, access::setDeniedCall,
        access::setTrainerCall, access::buyCall, access::buyWithPermitCall, access::refundCall, access::releaseCall,
        access::withdrawCall;
    Billing: billing::revokeSpenderCall, billing::depositCall, billing::depositWithPermitCall, billing::thawCall,
        billing::withdrawDepositCall, billing::collectRevenueCall, billing::claimShareCall, billing::withdrawCall;
    Models: models::createProjectCall, models::reviseProjectCall, models::requestModelCall, models::setVisibilityCall,
        models::setAllowedCall, models::setDeniedCall, models::reviseModelCall, models::deleteModelCall,
        models::transferFromCall;
    Training: training::requestCall, training::requestWithPermitCall, training::requestCancelCall, training::expireCall,
        training::releaseDataEscrowCall, training::withdrawCall;
};

/// Whether a forward request with this call is paid for.
pub(super) fn is_forwarded(contract: Contract, data: &[u8]) -> bool {
    FORWARDED.iter().any(|(of, selector)| *of == contract && data.starts_with(selector))
}

/// Whose call this is that anyone may send; `None` where it is none of these, or can't be decoded.
pub(super) fn signer_of(contract: Contract, data: &[u8]) -> Option<Address> {
    let selector: [u8; 4] = data.get(..4)?.try_into().ok()?;
    match (contract, selector) {
        (Contract::Training, training::requestWithAuthorizationCall::SELECTOR) => {
            training::requestWithAuthorizationCall::abi_decode(data).ok().map(|call| call.escrow.user)
        }
        (Contract::Access, access::buyWithAuthorizationCall::SELECTOR) => {
            access::buyWithAuthorizationCall::abi_decode(data).ok().map(|call| call.purchase.buyer)
        }
        (Contract::Billing, billing::authorizeSpenderCall::SELECTOR) => {
            billing::authorizeSpenderCall::abi_decode(data).ok().map(|call| call.authorization.payer)
        }
        (Contract::Token, token::permitCall::SELECTOR) => {
            token::permitCall::abi_decode(data).ok().map(|call| call.owner)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earns_a_fee_or_runs_foreign_code_is_not_in_the_table() {
        let forbidden: [(Contract, &[u8]); 12] = [
            (Contract::Training, &training::commitCall::SELECTOR),
            (Contract::Training, &training::commitAssignedCall::SELECTOR),
            (Contract::Training, &training::commitBatchCall::SELECTOR),
            (Contract::Training, &training::settleCall::SELECTOR),
            (Contract::Training, &training::closeCall::SELECTOR),
            (Contract::Training, &training::claimDataCall::SELECTOR),
            (Contract::Models, &models::publishBaseCall::SELECTOR),
            (Contract::Models, &models::safeTransferFrom_0Call::SELECTOR),
            (Contract::Token, &token::transferCall::SELECTOR),
            (Contract::Token, &token::mintCall::SELECTOR),
            (Contract::Models, &training::withdrawCall::SELECTOR),
            (Contract::Training, &[]),
        ];
        for (contract, data) in forbidden {
            assert!(!is_forwarded(contract, data), "{contract:?} {data:?}");
            assert_eq!(signer_of(contract, data), None);
        }
        assert!(is_forwarded(Contract::Training, &training::withdrawCall::SELECTOR));
        assert!(is_forwarded(Contract::Access, &access::withdrawCall::SELECTOR));
    }
}
