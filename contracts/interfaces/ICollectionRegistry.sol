// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CollectionState, CollectionTerms} from "../types/Collection.sol";
import {CollectionId} from "../types/Ids.sol";

/// @title CollectionRegistry
/// @notice Remembers the content root of every collection and who publishes it. It holds no record, key or money.
interface ICollectionRegistry {
    // ---------------------------------------------------------------- events

    /// @notice Emitted when a collection is registered. Carries all terms.
    event CollectionRegistered(
        CollectionId indexed id,
        address indexed publisher,
        CollectionId indexed previous,
        bytes32 contentRoot,
        uint32 recordCount,
        bytes32 manifestDigest,
        bytes32 policyDigest,
        bytes32 sharesRoot,
        bytes32 salt
    );

    /// @notice Emitted when anyone proved that `id` only appends records to `previous`.
    event CollectionAppendProven(CollectionId indexed id, CollectionId indexed previous, uint32 previousCount);

    /// @notice Emitted when the publisher revises the metadata (title, description, service URLs).
    event CollectionMetadataRevised(CollectionId indexed id, bytes32 metadataDigest, string uri);

    /// @notice Emitted when the publisher seals the collection key to a gateway (RFC 9180), again or for the first time.
    event CollectionKeySealed(CollectionId indexed id, bytes32 indexed gatewayKey, bytes sealedKey);

    /// @notice Emitted when the publisher retires the collection: no new offer, request or right.
    event CollectionRetired(CollectionId indexed id);

    /// @notice Emitted when a curator flags records. Readers choose whose flags they honour.
    event CollectionFlagged(
        CollectionId indexed id, address indexed curator, bytes32 flagsRoot, uint32 flagCount, bytes32 reasonDigest
    );

    /// @notice Emitted when the publisher names a successor, who has to accept. Zero withdraws the offer.
    event PublisherTransferStarted(CollectionId indexed id, address indexed from, address indexed to);

    /// @notice Emitted when the successor accepts.
    event PublisherTransferred(CollectionId indexed id, address indexed from, address indexed to);

    // ---------------------------------------------------------------- errors

    /// @notice Thrown when the count of records, or of flagged ones, is outside 1 to `maximum`.
    error CollectionRegistry_RecordCountOutOfRange(uint256 actual, uint256 maximum);

    /// @notice Thrown when the content root, the manifest digest or the flags root is zero.
    error CollectionRegistry_ZeroDigest();

    /// @notice Thrown when this id is registered already.
    error CollectionRegistry_AlreadyRegistered(CollectionId id);

    /// @notice Thrown when no collection has this id.
    error CollectionRegistry_UnknownCollection(CollectionId id);

    /// @notice Thrown when `previous` is named but not registered.
    error CollectionRegistry_UnknownPrevious(CollectionId previous);

    /// @notice Thrown when the caller is not the publisher; when registering, not that of the previous version.
    error CollectionRegistry_NotPublisher(address caller, address publisher);

    /// @notice Thrown when the caller is not the successor that the publisher named.
    error CollectionRegistry_NotSuccessor(address caller, address successor);

    /// @notice Thrown when the collection is retired already.
    error CollectionRegistry_Retired(CollectionId id);

    /// @notice Thrown when the given terms are not those of `expected`.
    error CollectionRegistry_TermsMismatch(CollectionId expected, CollectionId actual);

    /// @notice Thrown when the consistency proof does not lead from the previous root to this one.
    error CollectionRegistry_InvalidConsistencyProof(CollectionId id, CollectionId previous);

    /// @notice Thrown when a text or sealed key is longer than allowed.
    error CollectionRegistry_TooLong(uint256 actual, uint256 maximum);

    // ---------------------------------------------------------------- register

    /// @notice Registers a collection for the caller.
    /// @param terms Content root, count, manifest digest and the rest, all covered by the id.
    /// @return id The id, the same as `collectionIdOf(publisher, terms)`.
    function register(CollectionTerms calldata terms) external returns (CollectionId id);

    /// @notice Records that `id` only appends to its previous version (RFC 9162, 2.1.4).
    /// @param id The newer version.
    /// @param registrant Who registered `id`.
    /// @param terms The terms that `id` was registered with.
    /// @param proof Consistency proof between the two roots.
    function proveAppend(CollectionId id, address registrant, CollectionTerms calldata terms, bytes32[] calldata proof)
        external;

    // ---------------------------------------------------------------- describe

    /// @notice Revises the metadata of a collection. Publisher only.
    function reviseMetadata(CollectionId id, bytes32 metadataDigest, string calldata uri) external;

    /// @notice Publishes the collection key sealed to a gateway's X25519 key. Publisher only.
    function sealKey(CollectionId id, bytes32 gatewayKey, bytes calldata sealedKey) external;

    /// @notice Retires the collection. Publisher only, final.
    function retire(CollectionId id) external;

    /// @notice Flags records of a collection. Anyone may be a curator.
    function flag(CollectionId id, bytes32 flagsRoot, uint32 flagCount, bytes32 reasonDigest) external;

    // ---------------------------------------------------------------- hand over

    /// @notice Names a successor as publisher. Publisher only.
    function transferPublisher(CollectionId id, address to) external;

    /// @notice Becomes the publisher. The named successor only.
    function acceptPublisher(CollectionId id) external;

    // ---------------------------------------------------------------- views

    /// @notice The id that `registrant` gets for these terms on this chain and registry.
    function collectionIdOf(address registrant, CollectionTerms calldata terms) external view returns (CollectionId);

    /// @notice Whether the record with this leaf hash stands at `index` (RFC 9162, 2.1.3).
    /// @param index Position, from 0.
    /// @param leafHash SHA-256(0x00 ‖ leaf data).
    /// @param proof Sibling hashes from the leaf up.
    function verifyRecord(CollectionId id, uint32 index, bytes32 leafHash, bytes32[] calldata proof)
        external
        view
        returns (bool);

    /// @notice The content root, zero for an unknown id.
    function contentRootOf(CollectionId id) external view returns (bytes32);

    /// @notice Publisher, count, time and retirement; all zero for an unknown id.
    function collectionOf(CollectionId id) external view returns (CollectionState memory);

    /// @notice The publisher, zero for an unknown id.
    function publisherOf(CollectionId id) external view returns (address);

    /// @notice Who was named to take over, or zero.
    function successorOf(CollectionId id) external view returns (address);
}
