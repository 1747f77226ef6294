// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC2771Context} from "@openzeppelin/contracts/metatx/ERC2771Context.sol";

import {ICollectionRegistry} from "./interfaces/ICollectionRegistry.sol";
import {Merkle} from "./libraries/Merkle.sol";
import {CollectionState, CollectionTerms} from "./types/Collection.sol";
import {CollectionId} from "./types/Ids.sol";

/// @title CollectionRegistry
/// @notice Two slots a collection: the content root and who publishes it. The rest is in the id and the events.
contract CollectionRegistry is ICollectionRegistry, ERC2771Context {
    struct Collection {
        // slot 1
        bytes32 contentRoot;
        // slot 2
        CollectionState state;
    }

    /// @notice No collection has more records.
    uint256 public constant MAX_RECORDS = 1_000_000;

    /// @notice The longest URI in bytes.
    uint256 public constant MAX_URI = 2048;

    /// @notice The longest sealed key in bytes.
    uint256 public constant MAX_SEALED_KEY = 1024;

    /// @notice First word of what a `CollectionId` hashes.
    bytes32 public constant COLLECTION_TYPEHASH = keccak256(
        "Collection(uint256 chainId,address registry,address registrant,bytes32 contentRoot,uint32 recordCount,bytes32 manifestDigest,bytes32 previous,bytes32 policyDigest,bytes32 sharesRoot,bytes32 salt)"
    );

    mapping(CollectionId id => Collection collection) private _collections;
    mapping(CollectionId id => address successor) private _successors;

    constructor(address forwarder) ERC2771Context(forwarder) {}

    // ---------------------------------------------------------------- register

    /// @inheritdoc ICollectionRegistry
    function register(CollectionTerms calldata terms) external returns (CollectionId id) {
        address publisher = _msgSender();
        require(
            terms.recordCount != 0 && terms.recordCount <= MAX_RECORDS,
            CollectionRegistry_RecordCountOutOfRange(terms.recordCount, MAX_RECORDS)
        );
        require(terms.contentRoot != 0 && terms.manifestDigest != 0, CollectionRegistry_ZeroDigest());
        if (!terms.previous.isZero()) {
            address previousPublisher = _collections[terms.previous].state.publisher;
            require(previousPublisher != address(0), CollectionRegistry_UnknownPrevious(terms.previous));
            require(previousPublisher == publisher, CollectionRegistry_NotPublisher(publisher, previousPublisher));
        }
        id = collectionIdOf(publisher, terms);
        Collection storage collection = _collections[id];
        require(collection.contentRoot == 0, CollectionRegistry_AlreadyRegistered(id));

        collection.contentRoot = terms.contentRoot;
        collection.state = CollectionState({
            publisher: publisher, recordCount: terms.recordCount, registeredAt: uint40(block.timestamp), retired: false
        });
        emit CollectionRegistered(
            id,
            publisher,
            terms.previous,
            terms.contentRoot,
            terms.recordCount,
            terms.manifestDigest,
            terms.policyDigest,
            terms.sharesRoot,
            terms.salt
        );
    }

    /// @inheritdoc ICollectionRegistry
    function proveAppend(CollectionId id, address registrant, CollectionTerms calldata terms, bytes32[] calldata proof)
        external
    {
        CollectionId actual = collectionIdOf(registrant, terms);
        require(actual == id, CollectionRegistry_TermsMismatch(id, actual));
        require(_collections[id].contentRoot != 0, CollectionRegistry_UnknownCollection(id));
        // A registered `previous` that is not zero was known at registration.
        Collection storage previous = _collections[terms.previous];
        uint32 previousCount = previous.state.recordCount;
        require(
            Merkle.verifyConsistency(previousCount, previous.contentRoot, terms.recordCount, terms.contentRoot, proof),
            CollectionRegistry_InvalidConsistencyProof(id, terms.previous)
        );
        emit CollectionAppendProven(id, terms.previous, previousCount);
    }

    // ---------------------------------------------------------------- describe

    /// @inheritdoc ICollectionRegistry
    function reviseMetadata(CollectionId id, bytes32 metadataDigest, string calldata uri) external {
        _requirePublisher(id);
        require(bytes(uri).length <= MAX_URI, CollectionRegistry_TooLong(bytes(uri).length, MAX_URI));
        emit CollectionMetadataRevised(id, metadataDigest, uri);
    }

    /// @inheritdoc ICollectionRegistry
    function sealKey(CollectionId id, bytes32 gatewayKey, bytes calldata sealedKey) external {
        _requirePublisher(id);
        require(sealedKey.length <= MAX_SEALED_KEY, CollectionRegistry_TooLong(sealedKey.length, MAX_SEALED_KEY));
        emit CollectionKeySealed(id, gatewayKey, sealedKey);
    }

    /// @inheritdoc ICollectionRegistry
    function retire(CollectionId id) external {
        CollectionState storage state = _requirePublisher(id);
        require(!state.retired, CollectionRegistry_Retired(id));

        state.retired = true;
        emit CollectionRetired(id);
    }

    /// @inheritdoc ICollectionRegistry
    function flag(CollectionId id, bytes32 flagsRoot, uint32 flagCount, bytes32 reasonDigest) external {
        uint256 recordCount = _collections[id].state.recordCount;
        require(recordCount != 0, CollectionRegistry_UnknownCollection(id));
        require(
            flagCount != 0 && flagCount <= recordCount, CollectionRegistry_RecordCountOutOfRange(flagCount, recordCount)
        );
        require(flagsRoot != 0, CollectionRegistry_ZeroDigest());
        emit CollectionFlagged(id, _msgSender(), flagsRoot, flagCount, reasonDigest);
    }

    // ---------------------------------------------------------------- hand over

    /// @inheritdoc ICollectionRegistry
    function transferPublisher(CollectionId id, address to) external {
        _requirePublisher(id);
        _successors[id] = to;
        emit PublisherTransferStarted(id, _msgSender(), to);
    }

    /// @inheritdoc ICollectionRegistry
    function acceptPublisher(CollectionId id) external {
        address caller = _msgSender();
        address successor = _successors[id];
        require(caller == successor, CollectionRegistry_NotSuccessor(caller, successor));
        CollectionState storage state = _collections[id].state;
        address from = state.publisher;

        delete _successors[id];
        state.publisher = caller;
        emit PublisherTransferred(id, from, caller);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc ICollectionRegistry
    function verifyRecord(CollectionId id, uint32 index, bytes32 leafHash, bytes32[] calldata proof)
        external
        view
        returns (bool)
    {
        // An unknown id has no records, so that no index is in range.
        Collection storage collection = _collections[id];
        return Merkle.verifyInclusion(collection.contentRoot, collection.state.recordCount, index, leafHash, proof);
    }

    /// @inheritdoc ICollectionRegistry
    function contentRootOf(CollectionId id) external view returns (bytes32) {
        return _collections[id].contentRoot;
    }

    /// @inheritdoc ICollectionRegistry
    function collectionOf(CollectionId id) external view returns (CollectionState memory) {
        return _collections[id].state;
    }

    /// @inheritdoc ICollectionRegistry
    function publisherOf(CollectionId id) external view returns (address) {
        return _collections[id].state.publisher;
    }

    /// @inheritdoc ICollectionRegistry
    function successorOf(CollectionId id) external view returns (address) {
        return _successors[id];
    }

    /// @inheritdoc ICollectionRegistry
    function collectionIdOf(address registrant, CollectionTerms calldata terms) public view returns (CollectionId) {
        return
            CollectionId.wrap(
                keccak256(abi.encode(COLLECTION_TYPEHASH, block.chainid, address(this), registrant, terms))
            );
    }

    // ---------------------------------------------------------------- internals

    function _requirePublisher(CollectionId id) private view returns (CollectionState storage state) {
        state = _collections[id].state;
        address publisher = state.publisher;
        require(publisher != address(0), CollectionRegistry_UnknownCollection(id));
        address caller = _msgSender();
        require(caller == publisher, CollectionRegistry_NotPublisher(caller, publisher));
    }
}
