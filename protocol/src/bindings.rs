//! What the contracts look like from Rust: calls, events, errors and structs, from the committed ABI.
//! It calls nothing: a transport is the caller's.

#![expect(
    missing_docs,
    reason = "generated from the ABI; the natspec in contracts/interfaces is the documentation"
)]
#![expect(clippy::too_many_arguments, reason = "generated from the ABI")]

/// CollectionRegistry: content roots and publishers.
pub mod collections {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        CollectionRegistry,
        "abi/CollectionRegistry.json"
    );
    pub use CollectionRegistry::{CollectionState, CollectionTerms};
}

/// ModelRegistry: bases, methods, projects and models.
pub mod models {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        ModelRegistry,
        "abi/ModelRegistry.json"
    );
    pub use ModelRegistry::{MethodState, MethodTerms, ModelState, TrainingQuote};
}

/// TrainingCoordinator: requests, commitments, settlements and versions.
pub mod training {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        TrainingCoordinator,
        "abi/TrainingCoordinator.json"
    );
    pub use TrainingCoordinator::{
        Assignment, Closure, CommitItem, Commitment, DataInput, DataReceipt, EscrowTerms, LandingTerms,
        RequestDetails, RequestLedger, RequestState, Settlement,
    };
}

/// AccessToken: rights, offers and trusted trainers.
pub mod access {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        AccessToken,
        "abi/AccessToken.json"
    );
    pub use AccessToken::{Access, AccessUse, BuyLimits, Offer};
}

/// UsageBilling: deposits, vouchers and shares.
pub mod billing {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        UsageBilling,
        "abi/UsageBilling.json"
    );
    pub use UsageBilling::{SignedVoucher, SpenderAuthorization, UsageVoucher};
}

/// The development token: ERC-20 with ERC-2612 and ERC-3009.
pub mod token {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        DevToken,
        "abi/DevToken.json"
    );
}

/// The ERC-2771 forwarder (OpenZeppelin's).
pub mod forwarder {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        ERC2771Forwarder,
        "abi/ERC2771Forwarder.json"
    );
    pub use ERC2771Forwarder::ForwardRequestData;
}
