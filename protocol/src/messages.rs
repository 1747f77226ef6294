//! The EIP-712 messages that workers and schedulers sign, and the domains they are signed for.
//! It signs nothing and keeps no key.
//!
//! The structs in [`crate::bindings`] are what calls carry; the structs here are what is signed: they add the
//! request and the head that the contract supplies itself.

use alloy::primitives::Address;
use alloy::sol;
use alloy::sol_types::{Eip712Domain, eip712_domain};

sol! {
    /// The scheduler's word on which worker tries.
    #[derive(Debug, PartialEq, Eq)]
    struct Assignment {
        bytes32 request;
        uint8 attempt;
        address worker;
        uint32 resumePoint;
        uint40 validUntil;
    }

    /// A worker's word on what it did since the commitment before. Its `hashStruct` is the head after it.
    #[derive(Debug, PartialEq, Eq)]
    struct Commitment {
        bytes32 request;
        uint8 attempt;
        uint32 sequence;
        bytes32 previousHead;
        bytes32 pointsDigest;
        uint32 pointCount;
        uint48 units;
        bytes32 lastValues;
    }

    /// A worker's word on which records it was given for an input; cumulative.
    #[derive(Debug, PartialEq, Eq)]
    struct DataReceipt {
        bytes32 request;
        uint8 attempt;
        uint32 input;
        bytes32 collection;
        uint32 records;
        bytes32 recordsRoot;
    }

    /// A worker's word on the result.
    #[derive(Debug, PartialEq, Eq)]
    struct Settlement {
        bytes32 request;
        uint8 attempt;
        uint32 sequence;
        bytes32 head;
        uint32 pointCount;
        uint48 units;
        bytes32 artifactDigest;
        bytes32 artifactCid;
        bytes32 seriesRoot;
        bytes32 inputsRoot;
        bytes32 resultValues;
    }

    /// The scheduler's word that nothing more will land.
    #[derive(Debug, PartialEq, Eq)]
    struct Closure {
        bytes32 request;
        uint32 sequence;
        bytes32 reasonDigest;
    }

    /// A worker's word, to a relayer, that it is there. It never goes to the chain.
    #[derive(Debug, PartialEq, Eq)]
    struct WorkerHello {
        address worker;
        string audience;
        uint40 issuedAt;
    }
}

/// The domain of everything that the coordinator verifies: name "Offsetdata TrainingCoordinator", version "1".
pub fn training_domain(chain_id: u64, coordinator: Address) -> Eip712Domain {
    eip712_domain! {
        name: "Offsetdata TrainingCoordinator",
        version: "1",
        chain_id: chain_id,
        verifying_contract: coordinator,
    }
}

/// The domain of what only services exchange: name "Offsetdata Relay", version "1". `coordinator` ties it to one
/// deployment.
pub fn relay_domain(chain_id: u64, coordinator: Address) -> Eip712Domain {
    eip712_domain! {
        name: "Offsetdata Relay",
        version: "1",
        chain_id: chain_id,
        verifying_contract: coordinator,
    }
}
