// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";

import {MerkleCaller} from "../../mocks/MerkleCaller.sol";

/// @notice tests/vectors/merkle.json and record_leaf.json, written by the Rust crate: what it proves, the contract takes.
contract MerkleVectorsTest is Test {
    MerkleCaller internal merkle;
    string internal json;

    function setUp() public {
        merkle = new MerkleCaller();
        json = vm.readFile("tests/vectors/merkle.json");
    }

    function test_Inclusion() public view {
        uint256 count = vm.parseJsonUint(json, ".inclusionCount");
        assertGt(count, 30);
        for (uint256 i = 0; i < count; ++i) {
            string memory entry = string.concat(".inclusion[", vm.toString(i), "]");
            uint256 index = vm.parseJsonUint(json, string.concat(entry, ".index"));
            uint256 size = vm.parseJsonUint(json, string.concat(entry, ".size"));
            bytes32 root = vm.parseJsonBytes32(json, string.concat(entry, ".root"));
            bytes32 leaf = vm.parseJsonBytes32(json, string.concat(entry, ".leaf"));
            bytes32[] memory proof = vm.parseJsonBytes32Array(json, string.concat(entry, ".proof"));
            assertEq(leaf, merkle.hashLeaf(abi.encodePacked(uint32(index))), entry);
            assertTrue(merkle.verifyInclusion(root, size, index, leaf, proof), entry);
            assertFalse(merkle.verifyInclusion(root, size, index, leaf ^ bytes32(uint256(1)), proof), entry);
        }
    }

    function test_Consistency() public view {
        uint256 count = vm.parseJsonUint(json, ".consistencyCount");
        assertGt(count, 30);
        for (uint256 i = 0; i < count; ++i) {
            string memory entry = string.concat(".consistency[", vm.toString(i), "]");
            uint256 oldSize = vm.parseJsonUint(json, string.concat(entry, ".oldSize"));
            uint256 newSize = vm.parseJsonUint(json, string.concat(entry, ".newSize"));
            bytes32 oldRoot = vm.parseJsonBytes32(json, string.concat(entry, ".oldRoot"));
            bytes32 newRoot = vm.parseJsonBytes32(json, string.concat(entry, ".newRoot"));
            bytes32[] memory proof = vm.parseJsonBytes32Array(json, string.concat(entry, ".proof"));
            assertTrue(merkle.verifyConsistency(oldSize, oldRoot, newSize, newRoot, proof), entry);
            assertFalse(merkle.verifyConsistency(oldSize, ~oldRoot, newSize, newRoot, proof), entry);
        }
    }

    function test_RecordLeaves() public view {
        string memory leaves = vm.readFile("tests/vectors/record_leaf.json");
        uint256 count = vm.parseJsonUint(leaves, ".count");
        assertGt(count, 0);
        for (uint256 i = 0; i < count; ++i) {
            string memory entry = string.concat(".cases[", vm.toString(i), "]");
            bytes memory salt = vm.parseJsonBytes(leaves, string.concat(entry, ".salt"));
            bytes memory record = vm.parseJsonBytes(leaves, string.concat(entry, ".record"));
            bytes32 privateLeaf = vm.parseJsonBytes32(leaves, string.concat(entry, ".privateLeaf"));
            bytes32 publicLeaf = vm.parseJsonBytes32(leaves, string.concat(entry, ".publicLeaf"));
            assertEq(merkle.hashLeaf(bytes.concat(salt, record)), privateLeaf, entry);
            assertEq(merkle.hashLeaf(record), publicLeaf, entry);
        }
    }
}
