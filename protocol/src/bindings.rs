//! What the contracts look like from Rust: calls, events, errors and structs, from the committed ABI.
//! It calls nothing: a transport is the caller's.

#![expect(missing_docs, reason = "generated from the ABI; the natspec in contracts/interfaces is the documentation")]
#![expect(clippy::too_many_arguments, reason = "generated from the ABI")]

/// CollectionRegistry: content roots and publishers.
pub mod collections {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        CollectionRegistry,
        "abi/CollectionRegistry.json"
    );
}

/// ModelRegistry: bases, methods, projects and models.
pub mod models {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        ModelRegistry,
        "abi/ModelRegistry.json"
    );
}

/// TrainingCoordinator: requests, commitments, settlements and versions.
pub mod training {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        TrainingCoordinator,
        "abi/TrainingCoordinator.json"
    );
}
