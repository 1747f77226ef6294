// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";

import {MerkleCaller} from "../mocks/MerkleCaller.sol";
import {MerkleReference} from "../mocks/MerkleReference.sol";

/// @notice The proof checks against a tree that is built as the RFC defines it.
contract MerkleFuzzTest is Test {
    MerkleCaller internal merkle;

    function setUp() public {
        merkle = new MerkleCaller();
    }

    function testFuzz_InclusionHolds(uint256 seed, uint256 size, uint256 index) public view {
        size = bound(size, 1, 70);
        index = bound(index, 0, size - 1);
        bytes32[] memory leaves = MerkleReference.leaves(seed, size);
        bytes32 root = MerkleReference.root(leaves);
        bytes32[] memory proof = MerkleReference.path(leaves, index);
        assertTrue(merkle.verifyInclusion(root, size, index, leaves[index], proof));
    }

    function testFuzz_InclusionOfOtherIndexOrLeafFails(uint256 seed, uint256 size, uint256 index, uint256 other)
        public
        view
    {
        size = bound(size, 2, 70);
        index = bound(index, 0, size - 1);
        other = bound(other, 0, size - 1);
        vm.assume(index != other);
        bytes32[] memory leaves = MerkleReference.leaves(seed, size);
        bytes32 root = MerkleReference.root(leaves);
        bytes32[] memory proof = MerkleReference.path(leaves, index);
        assertFalse(merkle.verifyInclusion(root, size, other, leaves[index], proof));
        assertFalse(merkle.verifyInclusion(root, size, index, leaves[other], proof));
        assertFalse(merkle.verifyInclusion(leaves[index], size, index, leaves[index], proof));
    }

    function testFuzz_InclusionWithFlippedBitFails(
        uint256 seed,
        uint256 size,
        uint256 index,
        uint256 position,
        uint8 bit
    ) public view {
        size = bound(size, 2, 70);
        index = bound(index, 0, size - 1);
        bytes32[] memory leaves = MerkleReference.leaves(seed, size);
        bytes32 root = MerkleReference.root(leaves);
        bytes32[] memory proof = MerkleReference.path(leaves, index);
        position = bound(position, 0, proof.length - 1);
        proof[position] ^= bytes32(uint256(1) << bit);
        assertFalse(merkle.verifyInclusion(root, size, index, leaves[index], proof));
    }

    function testFuzz_InclusionWithLongerOrShorterProofFails(uint256 seed, uint256 size, uint256 index) public view {
        size = bound(size, 2, 70);
        index = bound(index, 0, size - 1);
        bytes32[] memory leaves = MerkleReference.leaves(seed, size);
        bytes32 root = MerkleReference.root(leaves);
        bytes32[] memory proof = MerkleReference.path(leaves, index);
        bytes32[] memory longer = MerkleReference.append(proof, bytes32(seed));
        assertFalse(merkle.verifyInclusion(root, size, index, leaves[index], longer));
        assembly {
            mstore(proof, sub(mload(proof), 1))
        }
        assertFalse(merkle.verifyInclusion(root, size, index, leaves[index], proof));
    }

    function testFuzz_IndexOutsideFails(uint256 seed, uint256 size, uint256 index) public view {
        size = bound(size, 0, 20);
        index = bound(index, size, type(uint256).max);
        bytes32 leafHash = MerkleReference.leaf(abi.encode(seed));
        assertFalse(merkle.verifyInclusion(leafHash, size, index, leafHash, new bytes32[](0)));
    }

    function testFuzz_ConsistencyHolds(uint256 seed, uint256 size1, uint256 size2) public view {
        size2 = bound(size2, 1, 70);
        size1 = bound(size1, 1, size2);
        bytes32[] memory leaves = MerkleReference.leaves(seed, size2);
        bytes32 root1 = MerkleReference.root(leaves, 0, size1);
        bytes32 root2 = MerkleReference.root(leaves);
        bytes32[] memory proof = MerkleReference.consistency(leaves, size1);
        assertTrue(merkle.verifyConsistency(size1, root1, size2, root2, proof));
    }

    function testFuzz_ConsistencyOfChangedTreeFails(uint256 seed, uint256 size1, uint256 size2, uint256 changed)
        public
        view
    {
        size2 = bound(size2, 2, 70);
        size1 = bound(size1, 1, size2 - 1);
        changed = bound(changed, 0, size1 - 1);
        bytes32[] memory leaves = MerkleReference.leaves(seed, size2);
        bytes32 root1 = MerkleReference.root(leaves, 0, size1);
        leaves[changed] = ~leaves[changed];
        bytes32 root2 = MerkleReference.root(leaves);
        bytes32[] memory proof = MerkleReference.consistency(leaves, size1);
        assertFalse(merkle.verifyConsistency(size1, root1, size2, root2, proof));
    }

    function testFuzz_ConsistencyWithFlippedBitFails(
        uint256 seed,
        uint256 size1,
        uint256 size2,
        uint256 position,
        uint8 bit
    ) public view {
        size2 = bound(size2, 2, 70);
        size1 = bound(size1, 1, size2 - 1);
        bytes32[] memory leaves = MerkleReference.leaves(seed, size2);
        bytes32 root1 = MerkleReference.root(leaves, 0, size1);
        bytes32 root2 = MerkleReference.root(leaves);
        bytes32[] memory proof = MerkleReference.consistency(leaves, size1);
        position = bound(position, 0, proof.length - 1);
        proof[position] ^= bytes32(uint256(1) << bit);
        assertFalse(merkle.verifyConsistency(size1, root1, size2, root2, proof));
    }

    function testFuzz_ConsistencyWithOtherSizesFails(uint256 seed, uint256 size1, uint256 size2) public view {
        size2 = bound(size2, 2, 70);
        size1 = bound(size1, 1, size2 - 1);
        bytes32[] memory leaves = MerkleReference.leaves(seed, size2);
        bytes32 root1 = MerkleReference.root(leaves, 0, size1);
        bytes32 root2 = MerkleReference.root(leaves);
        bytes32[] memory proof = MerkleReference.consistency(leaves, size1);
        assertFalse(merkle.verifyConsistency(0, root1, size2, root2, proof));
        assertFalse(merkle.verifyConsistency(size2, root2, size1, root1, proof));
        assertFalse(merkle.verifyConsistency(size2, root1, size2, root2, proof));
        assertFalse(merkle.verifyConsistency(size1, root1, size2, root2, new bytes32[](0)));
        assertFalse(merkle.verifyConsistency(size1, root1, size2, root2, MerkleReference.append(proof, root1)));
    }

    function test_LeafAndNodeHashesAreThoseOfTheRfc() public view {
        // SHA-256 of one byte 0x00: the leaf of no data, from the test data of RFC 6962 implementations.
        assertEq(merkle.hashLeaf(""), 0x6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d);
        assertEq(merkle.hashNode(bytes32("l"), bytes32("r")), MerkleReference.node(bytes32("l"), bytes32("r")));
    }

    function test_KnownRootOfEightLeaves() public view {
        // The eight leaves and their root in Certificate Transparency's test data.
        bytes32[] memory leaves = new bytes32[](8);
        leaves[0] = merkle.hashLeaf("");
        leaves[1] = merkle.hashLeaf(hex"00");
        leaves[2] = merkle.hashLeaf(hex"10");
        leaves[3] = merkle.hashLeaf(hex"2021");
        leaves[4] = merkle.hashLeaf(hex"3031");
        leaves[5] = merkle.hashLeaf(hex"40414243");
        leaves[6] = merkle.hashLeaf(hex"5051525354555657");
        leaves[7] = merkle.hashLeaf(hex"606162636465666768696a6b6c6d6e6f");
        bytes32 root = 0x5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328;
        assertEq(MerkleReference.root(leaves), root);
        for (uint256 i = 0; i < 8; ++i) {
            assertTrue(merkle.verifyInclusion(root, 8, i, leaves[i], MerkleReference.path(leaves, i)));
        }
    }
}
