// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BaseId} from "./Ids.sol";

// What a method takes in. The values may be added: INTAKE_COLLECTION + INTAKE_DIRECT takes both.
uint8 constant INTAKE_COLLECTION = 1;
uint8 constant INTAKE_DIRECT = 2;

/// @notice Who may use a model: everyone who is not denied, or the owner and those allowed.
enum Visibility {
    RESTRICTED,
    PUBLIC
}

/// @notice A way to train a base, as its developer publishes it.
struct MethodTerms {
    /// Price of one unit (one record seen in training) in the token's smallest unit.
    uint128 unitPrice;
    /// No more units a second than this are ever paid.
    uint64 maxUnitsPerSecond;
    /// Part of the unit pay that is held back until settlement, in basis points.
    uint16 holdbackBps;
    /// INTAKE_COLLECTION, INTAKE_DIRECT or both.
    uint8 intake;
    /// The key that signs assignments.
    address scheduler;
    /// SHA-256 digest of the trainer's name, version and hyperparameter schema.
    bytes32 trainerDigest;
    /// SHA-256 digest of the hyperparameters' JSON Schema.
    bytes32 schemaDigest;
}

/// @notice What the registry keeps of a method.
struct MethodState {
    // slot 1
    uint128 unitPrice;
    uint64 maxUnitsPerSecond;
    uint16 holdbackBps;
    uint8 intake;
    bool active;
    // slot 2
    address scheduler;
    // slot 3
    bytes32 trainerDigest;
}

/// @notice What the registry keeps of a model beside its ERC-721 owner.
struct ModelState {
    // slot 1
    BaseId base;
    // slot 2
    Visibility visibility;
    bool deleted;
    uint40 createdAt;
}

/// @notice What a training request needs to know of a model and a method, in one call.
struct TrainingQuote {
    address developer;
    address scheduler;
    uint128 unitPrice;
    uint64 maxUnitsPerSecond;
    uint16 holdbackBps;
    uint8 intake;
    bytes32 trainerDigest;
}
