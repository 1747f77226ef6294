//! The EIP-712 messages that accounts, workers, schedulers and gateways sign, and the domains they are signed for.
//! It signs nothing and keeps no key.
//!
//! The structs in [`crate::bindings`] are what calls carry; the structs here are what is signed: they add the
//! request and the head that the contract supplies itself.

use alloy::primitives::{Address, B256};
use alloy::sol;
use alloy::sol_types::{Eip712Domain, eip712_domain};

use crate::metrics::MetricValue;

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

    /// A holder's word that it used what it bought: ends the refund window of that purchase.
    #[derive(Debug, PartialEq, Eq)]
    struct AccessUsed {
        bytes32 collection;
        uint8 right;
        address holder;
        uint40 since;
    }

    /// A payer's promise to pay for what was used, cumulative per (payer, payee, collection, lane).
    #[derive(Debug, PartialEq, Eq)]
    struct UsageVoucher {
        address payer;
        address payee;
        bytes32 collection;
        uint64 lane;
        uint128 amount;
        uint64 records;
        uint40 validUntil;
        bool fromDeposit;
    }

    /// A payer's word that a key may sign vouchers for it.
    #[derive(Debug, PartialEq, Eq)]
    struct SpenderAuthorization {
        address payer;
        address spender;
        uint96 cap;
        uint40 expiry;
        uint24 nonce;
    }

    /// A reader's word on the X25519 key that chunk secrets are sealed to. For a gateway only.
    #[derive(Debug, PartialEq, Eq)]
    struct ReaderKey {
        address account;
        bytes32 publicKey;
        string audience;
        uint40 validUntil;
    }

    /// A gateway's word that it gave out a chunk secret, and what the account was charged for it. Never on chain.
    /// `right` is 0 for READ, 1 for TRAIN; `lane` and `charged` are 0 where nothing was charged.
    #[derive(Debug, PartialEq, Eq)]
    struct KeyRelease {
        address gateway;
        address account;
        bytes32 collection;
        uint8 right;
        uint32 chunk;
        bytes32 keyDigest;
        bytes32 readerKey;
        uint64 lane;
        uint128 charged;
        uint40 releasedAt;
    }

    /// An account's word, to a relayer, that it wants predictions. `recordsRoot` covers the records as leaves of a
    /// public collection. Its `hashStruct` is the prediction's id. It never goes to the chain.
    #[derive(Debug, PartialEq, Eq)]
    struct PredictionRequest {
        bytes32 model;
        uint32 version;
        address account;
        bytes32 recordsRoot;
        string audience;
        uint40 validUntil;
        bytes32 salt;
    }

    /// A worker's word on what a version predicts: `prediction` is the hashStruct of the request, `predictionsDigest`
    /// is [`crate::relay_api::predictions_digest`]. It never goes to the chain.
    #[derive(Debug, PartialEq, Eq)]
    struct PredictionAnswer {
        bytes32 prediction;
        bytes32 artifactDigest;
        bytes32 predictionsDigest;
    }

    /// An account's word that a call may be made in its name: OpenZeppelin's type, for the forwarder.
    #[derive(Debug, PartialEq, Eq)]
    struct ForwardRequest {
        address from;
        address to;
        uint256 value;
        uint256 gas;
        uint256 nonce;
        uint48 deadline;
        bytes data;
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

/// The domain of [`AccessUsed`]: name "Offsetdata AccessToken", version "1".
pub fn access_domain(chain_id: u64, access_token: Address) -> Eip712Domain {
    eip712_domain! {
        name: "Offsetdata AccessToken",
        version: "1",
        chain_id: chain_id,
        verifying_contract: access_token,
    }
}

/// The domain of [`UsageVoucher`] and [`SpenderAuthorization`]: name "Offsetdata UsageBilling", version "1".
pub fn billing_domain(chain_id: u64, usage_billing: Address) -> Eip712Domain {
    eip712_domain! {
        name: "Offsetdata UsageBilling",
        version: "1",
        chain_id: chain_id,
        verifying_contract: usage_billing,
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

/// The domain of what gateways and their readers exchange: name "Offsetdata Gateway", version "1". `access_token`
/// ties it to one deployment.
pub fn gateway_domain(chain_id: u64, access_token: Address) -> Eip712Domain {
    eip712_domain! {
        name: "Offsetdata Gateway",
        version: "1",
        chain_id: chain_id,
        verifying_contract: access_token,
    }
}

/// The domain of [`ForwardRequest`]: name "Offsetdata Forwarder", version "1".
pub fn forwarder_domain(chain_id: u64, forwarder: Address) -> Eip712Domain {
    eip712_domain! {
        name: "Offsetdata Forwarder",
        version: "1",
        chain_id: chain_id,
        verifying_contract: forwarder,
    }
}

/// Packs four values as `lastValues` and `resultValues` carry them: four int64, big-endian, each the value's code
/// ([`MetricValue`]). What was not measured is not a number.
pub fn pack_values(values: [MetricValue; 4]) -> B256 {
    let mut word = B256::ZERO;
    for (lane, value) in word.0.chunks_exact_mut(8).zip(values) {
        lane.copy_from_slice(&value.code().to_be_bytes());
    }
    word
}

/// The four values of a word that [`pack_values`] made.
pub fn unpack_values(word: B256) -> [MetricValue; 4] {
    std::array::from_fn(|lane| {
        let bytes = std::array::from_fn(|i| word.0[8 * lane + i]);
        MetricValue::from_code(i64::from_be_bytes(bytes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_in_their_lanes() {
        let values = [0.25, -1.0, f64::NAN, 0.984_375].map(MetricValue::from_f64);
        let word = pack_values(values);
        assert_eq!(unpack_values(word), values);
        assert_eq!(word.0[..8], 250_000i64.to_be_bytes());
    }
}
