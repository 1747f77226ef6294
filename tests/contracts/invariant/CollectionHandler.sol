// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICollectionRegistry} from "offsetdata/interfaces/ICollectionRegistry.sol";
import {Share} from "offsetdata/types/Billing.sol";
import {CollectionState, CollectionTerms} from "offsetdata/types/Collection.sol";
import {CollectionId} from "offsetdata/types/Ids.sol";

import {MerkleReference} from "../mocks/MerkleReference.sol";
import {Handler, Stage} from "./Handler.sol";

/// @notice Publishers: they register, hand over and retire collections, and strangers try to. It knows of each
/// collection what the registry has to answer for ever.
contract CollectionHandler is Handler {
    struct Known {
        CollectionId id;
        address registrant;
        address publisher;
        address successor;
        uint40 registeredAt;
        bool retired;
    }

    /// A part that three times is not the whole: what is left over stays in the pool as dust.
    uint32 public constant PARTS = 333_333_333;
    uint256 public constant CONTRIBUTORS = 3;

    Known[] private _known;
    CollectionTerms[] private _terms;
    bytes32[] private _leaves;

    constructor(Stage memory stage) Handler(stage) {
        for (uint256 i = 0; i < CONTRIBUTORS; ++i) {
            _leaves.push(MerkleReference.leaf(abi.encodePacked("offsetdata.share", people[i].addr, PARTS)));
        }
        for (uint256 i = 0; i < 4; ++i) {
            _register(people[i % 2].addr, i % 2 == 1, CollectionId.wrap(0));
        }
    }

    // ---------------------------------------------------------------- actions

    function register(uint256 seed) external drawn(seed) {
        if (_known.length == MOST / 3) return;
        address publisher = somebody().addr;
        CollectionId previous;
        if (rarely(2)) {
            uint256 i = draw(_known.length);
            previous = _known[i].id;
            if (_known[i].publisher != publisher) {
                CollectionTerms memory terms = _newTerms(false, previous);
                bytes memory data = abi.encodeCall(collections.register, (terms));
                return refused(
                    publisher, address(collections), data, ICollectionRegistry.CollectionRegistry_NotPublisher.selector
                );
            }
        }
        _register(publisher, rarely(2), previous);
        ++taken[msg.sig];
    }

    function describe(uint256 seed) external drawn(seed) {
        Known memory known = _known[draw(_known.length)];
        bytes memory data = abi.encodeCall(collections.reviseMetadata, (known.id, bytes32(seed), "ipfs://revised"));
        address caller = somebody().addr;
        step(caller, address(collections), data, caller == known.publisher);
        data = abi.encodeCall(collections.flag, (known.id, bytes32(seed | 1), 1, 0));
        step(caller, address(collections), data, true);
    }

    function nameSuccessor(uint256 seed) external drawn(seed) {
        Known storage known = _known[draw(_known.length)];
        address to = rarely(4) ? address(0) : somebody().addr;
        step(known.publisher, address(collections), abi.encodeCall(collections.transferPublisher, (known.id, to)), true);
        known.successor = to;
    }

    function accept(uint256 seed) external drawn(seed) {
        uint256 i = draw(_known.length);
        for (uint256 n = 0; n < _known.length && _known[i].successor == address(0); ++n) {
            i = (i + 1) % _known.length;
        }
        Known storage known = _known[i];
        address caller = rarely(4) ? somebody().addr : known.successor;
        // Nobody calls as the zero address, which is what stands where no successor is named.
        if (caller == address(0)) return;
        bool expected = caller == known.successor;
        step(caller, address(collections), abi.encodeCall(collections.acceptPublisher, (known.id)), expected);
        if (expected) (known.publisher, known.successor) = (caller, address(0));
    }

    function retire(uint256 seed) external drawn(seed) {
        Known storage known = _known[draw(_known.length)];
        // So rarely that there is something left to trade.
        if (!known.retired && !rarely(8)) return;
        step(known.publisher, address(collections), abi.encodeCall(collections.retire, (known.id)), !known.retired);
        known.retired = true;
    }

    /// @notice Strangers try to take a collection, and a registrant to register it again.
    function seize(uint256 seed) external drawn(seed) {
        uint256 i = draw(_known.length);
        Known memory known = _known[i];
        address caller = somebodyBut(known.publisher).addr;
        bytes4 reason = ICollectionRegistry.CollectionRegistry_NotPublisher.selector;
        refused(caller, address(collections), abi.encodeCall(collections.transferPublisher, (known.id, caller)), reason);
        refused(caller, address(collections), abi.encodeCall(collections.retire, (known.id)), reason);
        refused(caller, address(collections), abi.encodeCall(collections.sealKey, (known.id, 0, "key")), reason);
        caller = somebodyBut(known.successor).addr;
        reason = ICollectionRegistry.CollectionRegistry_NotSuccessor.selector;
        refused(caller, address(collections), abi.encodeCall(collections.acceptPublisher, (known.id)), reason);
        ++taken[msg.sig];
        if (!_terms[i].previous.isZero()) return;
        reason = ICollectionRegistry.CollectionRegistry_AlreadyRegistered.selector;
        refused(known.registrant, address(collections), abi.encodeCall(collections.register, (_terms[i])), reason);
    }

    // ---------------------------------------------------------------- what is known

    function check() external view override {
        for (uint256 i = 0; i < _known.length; ++i) {
            Known memory known = _known[i];
            CollectionState memory state = collections.collectionOf(known.id);
            assertEq(collections.contentRootOf(known.id), _terms[i].contentRoot, "a registered root never changes");
            assertEq(state.recordCount, _terms[i].recordCount, "nor does its count");
            assertEq(state.registeredAt, known.registeredAt, "nor its time");
            assertEq(state.publisher, known.publisher, "a publisher changes by two steps only");
            assertEq(collections.successorOf(known.id), known.successor, "a successor is named by the publisher only");
            assertEq(state.retired, known.retired, "a retired collection stays retired");
        }
    }

    function count() external view returns (uint256) {
        return _known.length;
    }

    function knownAt(uint256 i) external view returns (Known memory) {
        return _known[i];
    }

    function termsAt(uint256 i) external view returns (CollectionTerms memory) {
        return _terms[i];
    }

    /// @notice A contributor's leaf and its proof, the same in every collection with shares.
    function shareAt(uint256 leaf) external view returns (Share memory share, bytes32[] memory proof) {
        share = Share(people[leaf].addr, PARTS);
        proof = MerkleReference.path(_leaves, leaf);
    }

    function actions() external pure override returns (bytes4[] memory list_) {
        list_ = new bytes4[](6);
        list_[0] = this.register.selector;
        list_[1] = this.describe.selector;
        list_[2] = this.nameSuccessor.selector;
        list_[3] = this.accept.selector;
        list_[4] = this.retire.selector;
        list_[5] = this.seize.selector;
    }

    function names() external pure override returns (string[] memory list_) {
        list_ = new string[](6);
        (list_[0], list_[1], list_[2]) = ("register", "describe", "nameSuccessor");
        (list_[3], list_[4], list_[5]) = ("accept", "retire", "seize");
    }

    // ---------------------------------------------------------------- internals

    function _register(address publisher, bool shared, CollectionId previous) private {
        CollectionTerms memory terms = _newTerms(shared, previous);
        vm.prank(publisher);
        CollectionId id = collections.register(terms);
        _known.push(Known(id, publisher, publisher, address(0), uint40(block.timestamp), false));
        _terms.push(terms);
    }

    function _newTerms(bool shared, CollectionId previous) private view returns (CollectionTerms memory) {
        uint256 number = _known.length;
        return CollectionTerms({
            contentRoot: keccak256(abi.encode("content", number)),
            recordCount: uint32(100 + number),
            manifestDigest: keccak256(abi.encode("manifest", number)),
            previous: previous,
            policyDigest: 0,
            sharesRoot: shared ? MerkleReference.root(_leaves) : bytes32(0),
            salt: bytes32(number)
        });
    }
}
