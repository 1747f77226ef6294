// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CollectionId} from "./Ids.sol";

/// @notice What a publisher registers. Everything here is covered by the `CollectionId`.
struct CollectionTerms {
    /// RFC 9162 SHA-256 tree root over the leaf data of all records.
    bytes32 contentRoot;
    /// Number of records, 1 to 1,000,000.
    uint32 recordCount;
    /// SHA-256 digest of the manifest's root block; the manifest's CID is CIDv1 dag-cbor sha2-256 of it.
    bytes32 manifestDigest;
    /// The collection that this one is the next version of, or zero.
    CollectionId previous;
    /// SHA-256 digest of the policy terms (licence, allowed uses), or zero.
    bytes32 policyDigest;
    /// Root over the contributors' shares, or zero where the publisher alone is paid.
    bytes32 sharesRoot;
    /// Lets one publisher register equal terms twice.
    bytes32 salt;
}

/// @notice What the registry keeps beside the content root.
struct CollectionState {
    // slot 1
    address publisher;
    uint32 recordCount;
    uint40 registeredAt;
    bool retired;
}
