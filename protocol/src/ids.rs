//! The ids of everything that the contracts name, each a type of its own. It derives none from an address book.
//!
//! In text an id is `0x` and 64 hexadecimal digits. How each is derived stands in docs/protocol.md, "Ids".

use alloy::primitives::{Address, B256, keccak256};
use alloy::sol_types::SolValue;

use crate::bindings::{collections, training};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub B256);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let digits = text.strip_prefix("0x").ok_or(IdError { id: stringify!($name) })?;
                if digits.len() != 64 {
                    return Err(IdError { id: stringify!($name) });
                }
                digits.parse().map($name).map_err(|_| IdError { id: stringify!($name) })
            }
        }

        impl From<B256> for $name {
            fn from(value: B256) -> Self {
                Self(value)
            }
        }

        impl From<$name> for B256 {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

id! {
    /// Names a collection.
    CollectionId
}
id! {
    /// Names a base that a developer offers.
    BaseId
}
id! {
    /// Names a way to train a base: keccak-256 of its name.
    MethodId
}
id! {
    /// Names a user's container for models.
    ProjectId
}
id! {
    /// Names a model; the same 256 bits are its ERC-721 token id.
    ModelId
}
id! {
    /// Names a training request: the hash of its terms.
    RequestId
}

/// A text that is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a {id}: 0x and 64 hexadecimal digits")]
pub struct IdError {
    id: &'static str,
}

impl MethodId {
    /// The id of the method with this name, within its base.
    pub fn of_name(name: &str) -> Self {
        Self(keccak256(name.as_bytes()))
    }
}

/// `detailsHashOf`: keccak-256 over the ABI encoding (Solidity ABI specification) of the details.
pub fn details_hash(details: &training::RequestDetails) -> B256 {
    keccak256(details.abi_encode())
}

/// `termsHashOf`: keccak-256 over the ABI encoding of the terms that landings don't look at: those of the escrow in
/// front of `landing`, and the hash of the details.
pub fn terms_hash(escrow: &training::EscrowTerms, details_hash: B256) -> B256 {
    let training::EscrowTerms {
        user,
        developer,
        scheduler,
        unitPrice,
        holdbackBps,
        dataEscrow,
        receiptWindow,
        landing: _,
    } = *escrow;
    let terms = (user, developer, scheduler, unitPrice, holdbackBps, dataEscrow, receiptWindow, details_hash);
    keccak256(terms.abi_encode())
}

/// `inputsHashOf`: keccak-256 over the ABI encoding of the list of inputs.
pub fn inputs_hash(inputs: &[training::DataInput]) -> B256 {
    keccak256(inputs.to_vec().abi_encode())
}

const REQUEST_TYPE: &str = "TrainingRequest(uint256 chainId,address coordinator,uint48 unitLimit,uint64 maxUnitsPerSecond,\
uint128 relayFee,uint32 relayFeeCap,uint40 openedAt,uint40 startDeadline,uint40 deadline,uint32 gracePeriod,\
bytes32 termsHash)";
const COLLECTION_TYPE: &str = "Collection(uint256 chainId,address registry,address registrant,bytes32 contentRoot,\
uint32 recordCount,bytes32 manifestDigest,bytes32 previous,bytes32 policyDigest,bytes32 sharesRoot,bytes32 salt)";

impl RequestId {
    /// The id that these terms get on this chain and coordinator.
    pub fn of_terms(
        chain_id: u64,
        coordinator: Address,
        escrow: &training::EscrowTerms,
        details_hash: B256,
    ) -> Self {
        let terms_hash = terms_hash(escrow, details_hash);
        let landing = escrow.landing.clone();
        let fields = (keccak256(REQUEST_TYPE), chain_id_word(chain_id), coordinator, landing, terms_hash);
        Self(keccak256(fields.abi_encode()))
    }
}

impl CollectionId {
    /// The id that `registrant` gets for these terms on this chain and registry.
    pub fn of_terms(
        chain_id: u64,
        registry: Address,
        registrant: Address,
        terms: &collections::CollectionTerms,
    ) -> Self {
        let fields =
            (keccak256(COLLECTION_TYPE), chain_id_word(chain_id), registry, registrant, terms.clone());
        Self(keccak256(fields.abi_encode()))
    }
}

fn chain_id_word(chain_id: u64) -> alloy::primitives::U256 {
    alloy::primitives::U256::from(chain_id)
}
