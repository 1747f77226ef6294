// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Merkle} from "offsetdata/libraries/Merkle.sol";

/// @notice Lets tests call the library with proofs in calldata.
contract MerkleCaller {
    function hashLeaf(bytes calldata data) external pure returns (bytes32) {
        return Merkle.hashLeaf(data);
    }

    function hashNode(bytes32 left, bytes32 right) external view returns (bytes32) {
        return Merkle.hashNode(left, right);
    }

    function verifyInclusion(bytes32 root, uint256 size, uint256 index, bytes32 leafHash, bytes32[] calldata proof)
        external
        view
        returns (bool)
    {
        return Merkle.verifyInclusion(root, size, index, leafHash, proof);
    }

    function verifyConsistency(uint256 size1, bytes32 root1, uint256 size2, bytes32 root2, bytes32[] calldata proof)
        external
        view
        returns (bool)
    {
        return Merkle.verifyConsistency(size1, root1, size2, root2, proof);
    }
}
