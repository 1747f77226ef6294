// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";

import {Merkle} from "offsetdata/libraries/Merkle.sol";

import {MerkleCaller} from "../mocks/MerkleCaller.sol";

/// @notice What the fuzz tests and vectors of the tree don't reach.
contract MerkleTest is Test {
    MerkleCaller private merkle;

    function setUp() external {
        merkle = new MerkleCaller();
    }

    function test_RevertGiven_ChainWithoutSha256() external {
        vm.mockCall(address(2), bytes(""), bytes(""));
        vm.expectRevert(Merkle.Merkle_HashFailed.selector);
        merkle.hashNode(0, 0);
    }
}
