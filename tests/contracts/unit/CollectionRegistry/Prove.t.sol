// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICollectionRegistry} from "offsetdata/interfaces/ICollectionRegistry.sol";
import {CollectionTerms} from "offsetdata/types/Collection.sol";
import {CollectionId} from "offsetdata/types/Ids.sol";

import {MerkleReference} from "../../mocks/MerkleReference.sol";
import {CollectionRegistryBase} from "./CollectionRegistryBase.t.sol";

contract ProveTest is CollectionRegistryBase {
    CollectionId internal id;

    function setUp() public override {
        super.setUp();
        id = register(terms());
    }

    // ---------------------------------------------------------------- verifyRecord

    function test_VerifyRecordOfEveryIndex() public view {
        for (uint32 i = 0; i < COUNT; ++i) {
            assertTrue(collections.verifyRecord(id, i, leaves[i], MerkleReference.path(leaves, i)));
        }
    }

    function test_VerifyRecordRefusesFlippedByte() public view {
        bytes32[] memory proof = MerkleReference.path(leaves, 3);
        assertFalse(collections.verifyRecord(id, 3, leaves[3] ^ bytes32(uint256(1)), proof));
        proof[1] ^= bytes32(uint256(1));
        assertFalse(collections.verifyRecord(id, 3, leaves[3], proof));
    }

    function test_VerifyRecordRefusesOtherIndex() public view {
        bytes32[] memory proof = MerkleReference.path(leaves, 3);
        assertFalse(collections.verifyRecord(id, 2, leaves[3], proof));
        assertFalse(collections.verifyRecord(id, COUNT, leaves[3], proof));
    }

    function test_VerifyRecordRefusesUnknownCollection() public view {
        assertFalse(collections.verifyRecord(NOBODYS, 0, leaves[0], MerkleReference.path(leaves, 0)));
        assertFalse(collections.verifyRecord(NOBODYS, 0, 0, new bytes32[](0)));
    }

    function test_VerifyRecordRefusesInnerNodeAsLeaf() public view {
        // A node of the tree, with the rest of its path, is no record: the path is too short for the count.
        bytes32[] memory proof = MerkleReference.path(leaves, 0);
        bytes32[] memory shorter = new bytes32[](proof.length - 1);
        for (uint256 i = 0; i < shorter.length; ++i) {
            shorter[i] = proof[i + 1];
        }
        assertFalse(collections.verifyRecord(id, 0, MerkleReference.node(leaves[0], leaves[1]), shorter));
    }

    // ---------------------------------------------------------------- proveAppend

    function _appended() private returns (CollectionTerms memory next, CollectionId nextId, bytes32[] memory proof) {
        bytes32[] memory longer = MerkleReference.leaves(1, COUNT + 9);
        next = terms();
        next.contentRoot = MerkleReference.root(longer);
        next.recordCount = COUNT + 9;
        next.previous = id;
        nextId = register(next);
        proof = MerkleReference.consistency(longer, COUNT);
    }

    function test_ProveAppend() public {
        (CollectionTerms memory next, CollectionId nextId, bytes32[] memory proof) = _appended();
        vm.expectEmit(address(collections));
        emit ICollectionRegistry.CollectionAppendProven(nextId, id, COUNT);
        vm.prank(stranger.addr);
        collections.proveAppend(nextId, publisher.addr, next, proof);
    }

    function test_RevertWhen_ProofIsWrong() public {
        (CollectionTerms memory next, CollectionId nextId, bytes32[] memory proof) = _appended();
        proof[0] ^= bytes32(uint256(1));
        vm.expectRevert(
            abi.encodeWithSelector(ICollectionRegistry.CollectionRegistry_InvalidConsistencyProof.selector, nextId, id)
        );
        collections.proveAppend(nextId, publisher.addr, next, proof);
    }

    function test_RevertGiven_NoPrevious() public {
        CollectionTerms memory given = terms();
        vm.expectRevert(
            abi.encodeWithSelector(
                ICollectionRegistry.CollectionRegistry_InvalidConsistencyProof.selector, id, CollectionId.wrap(0)
            )
        );
        collections.proveAppend(id, publisher.addr, given, new bytes32[](0));
    }

    function test_RevertGiven_RecordsChanged() public {
        bytes32[] memory other = MerkleReference.leaves(2, COUNT + 9);
        CollectionTerms memory next = terms();
        next.contentRoot = MerkleReference.root(other);
        next.recordCount = COUNT + 9;
        next.previous = id;
        CollectionId nextId = register(next);
        bytes32[] memory proof = MerkleReference.consistency(other, COUNT);
        vm.expectRevert(
            abi.encodeWithSelector(ICollectionRegistry.CollectionRegistry_InvalidConsistencyProof.selector, nextId, id)
        );
        collections.proveAppend(nextId, publisher.addr, next, proof);
    }

    function test_RevertWhen_TermsAreOthers() public {
        (CollectionTerms memory next, CollectionId nextId, bytes32[] memory proof) = _appended();
        next.previous = NOBODYS;
        CollectionId actual = collections.collectionIdOf(publisher.addr, next);
        vm.expectRevert(
            abi.encodeWithSelector(ICollectionRegistry.CollectionRegistry_TermsMismatch.selector, nextId, actual)
        );
        collections.proveAppend(nextId, publisher.addr, next, proof);
    }

    function test_RevertGiven_NotRegistered() public {
        CollectionTerms memory next = terms();
        next.previous = id;
        CollectionId nextId = collections.collectionIdOf(publisher.addr, next);
        expectUnknown(nextId);
        collections.proveAppend(nextId, publisher.addr, next, new bytes32[](0));
    }
}
