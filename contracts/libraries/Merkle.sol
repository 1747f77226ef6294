// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Merkle
/// @notice Checks proofs of the RFC 9162 SHA-256 tree (leaf prefix 0x00, node prefix 0x01), in the words and order of
/// its sections 2.1.3.2 and 2.1.4.2. It builds no tree and knows no domain tag: callers bring whole leaf data.
library Merkle {
    /// @dev The precompile of SHA-256, on every EVM chain.
    uint256 private constant SHA256 = 0x02;

    /// @dev Thrown when SHA-256 can't be called: no gas is left for it, or the chain has no such precompile.
    error Merkle_HashFailed();

    /// @dev SHA-256(0x00 ‖ data).
    function hashLeaf(bytes memory data) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x00), data));
    }

    /// @dev SHA-256(0x01 ‖ left ‖ right).
    function hashNode(bytes32 left, bytes32 right) internal view returns (bytes32 node) {
        bool success;
        assembly ("memory-safe") {
            // Free memory is used and not kept. A call to a precompile costs 100 gas, its hash 96.
            let data := mload(0x40)
            mstore8(data, 0x01)
            mstore(add(data, 0x01), left)
            mstore(add(data, 0x21), right)
            success := and(eq(returndatasize(), 0x20), staticcall(gas(), SHA256, data, 0x41, 0x00, 0x20))
            node := mload(0x00)
        }
        require(success, Merkle_HashFailed());
    }

    /// @dev Whether `leafHash` stands at `index` in the tree of `size` leaves with this root.
    function verifyInclusion(bytes32 root, uint256 size, uint256 index, bytes32 leafHash, bytes32[] calldata proof)
        internal
        view
        returns (bool)
    {
        if (index >= size) return false;
        uint256 fn = index;
        uint256 sn = size - 1;
        bytes32 r = leafHash;
        for (uint256 i = 0; i < proof.length; ++i) {
            if (sn == 0) return false;
            if (fn & 1 == 1 || fn == sn) {
                r = hashNode(proof[i], r);
                while (fn & 1 == 0 && fn != 0) {
                    fn >>= 1;
                    sn >>= 1;
                }
            } else {
                r = hashNode(r, proof[i]);
            }
            fn >>= 1;
            sn >>= 1;
        }
        return sn == 0 && r == root;
    }

    /// @dev Whether the tree of `size2` leaves begins with the `size1` leaves of the first one. Trees of equal size
    /// are consistent if their roots are equal and the proof is empty; nothing is proven from an empty tree.
    function verifyConsistency(uint256 size1, bytes32 root1, uint256 size2, bytes32 root2, bytes32[] calldata proof)
        internal
        view
        returns (bool)
    {
        if (size1 == 0 || size1 > size2) return false;
        if (size1 == size2) return proof.length == 0 && root1 == root2;
        if (proof.length == 0) return false;

        uint256 fn = size1 - 1;
        uint256 sn = size2 - 1;
        while (fn & 1 == 1) {
            fn >>= 1;
            sn >>= 1;
        }
        // Where size1 is a power of two, its root is a node of the second tree and opens the path.
        uint256 i = size1 & (size1 - 1) == 0 ? 0 : 1;
        bytes32 fr = i == 0 ? root1 : proof[0];
        bytes32 sr = fr;
        for (; i < proof.length; ++i) {
            if (sn == 0) return false;
            if (fn & 1 == 1 || fn == sn) {
                fr = hashNode(proof[i], fr);
                sr = hashNode(proof[i], sr);
                while (fn & 1 == 0 && fn != 0) {
                    fn >>= 1;
                    sn >>= 1;
                }
            } else {
                sr = hashNode(sr, proof[i]);
            }
            fn >>= 1;
            sn >>= 1;
        }
        return sn == 0 && fr == root1 && sr == root2;
    }
}
