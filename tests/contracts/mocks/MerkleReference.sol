// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The tree of RFC 9162 written as its definitions 2.1.1, 2.1.3.1 and 2.1.4.1 stand: by recursion over all
/// leaves. Slow on purpose, and nothing is shared with the library that it is held against.
library MerkleReference {
    function leaf(bytes memory data) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(uint8(0), data));
    }

    function node(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(uint8(1), left, right));
    }

    /// @dev `size` leaves that differ with the seed.
    function leaves(uint256 seed, uint256 size) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](size);
        for (uint256 i = 0; i < size; ++i) {
            hashes[i] = leaf(abi.encode(seed, i));
        }
    }

    /// @dev MTH(D[from:to]).
    function root(bytes32[] memory hashes, uint256 from, uint256 to) internal pure returns (bytes32) {
        if (to - from == 1) return hashes[from];
        uint256 k = split(to - from);
        return node(root(hashes, from, from + k), root(hashes, from + k, to));
    }

    function root(bytes32[] memory hashes) internal pure returns (bytes32) {
        return root(hashes, 0, hashes.length);
    }

    /// @dev PATH(m, D[n]).
    function path(bytes32[] memory hashes, uint256 index) internal pure returns (bytes32[] memory) {
        return _path(hashes, index, 0, hashes.length);
    }

    function _path(bytes32[] memory hashes, uint256 m, uint256 from, uint256 to)
        private
        pure
        returns (bytes32[] memory)
    {
        if (to - from == 1) return new bytes32[](0);
        uint256 k = split(to - from);
        if (m < k) return append(_path(hashes, m, from, from + k), root(hashes, from + k, to));
        return append(_path(hashes, m - k, from + k, to), root(hashes, from, from + k));
    }

    /// @dev PROOF(m, D[n]).
    function consistency(bytes32[] memory hashes, uint256 m) internal pure returns (bytes32[] memory) {
        return _subproof(hashes, m, 0, hashes.length, true);
    }

    function _subproof(bytes32[] memory hashes, uint256 m, uint256 from, uint256 to, bool whole)
        private
        pure
        returns (bytes32[] memory)
    {
        if (m == to - from) {
            if (whole) return new bytes32[](0);
            return append(new bytes32[](0), root(hashes, from, to));
        }
        uint256 k = split(to - from);
        if (m <= k) return append(_subproof(hashes, m, from, from + k, whole), root(hashes, from + k, to));
        return append(_subproof(hashes, m - k, from + k, to, false), root(hashes, from, from + k));
    }

    /// @dev The largest power of two smaller than n.
    function split(uint256 n) internal pure returns (uint256 k) {
        k = 1;
        while (k * 2 < n) k *= 2;
    }

    function append(bytes32[] memory list, bytes32 item) internal pure returns (bytes32[] memory longer) {
        longer = new bytes32[](list.length + 1);
        for (uint256 i = 0; i < list.length; ++i) {
            longer[i] = list[i];
        }
        longer[list.length] = item;
    }
}
