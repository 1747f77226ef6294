// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Signatures
/// @notice Checks that an account signed an EIP-712 digest: by its key (65 bytes, low s) or, for an account with code,
/// by ERC-1271. It knows no message type and keeps no nonce.
library Signatures {
    /// @notice Gas that a contract account may use to check one signature.
    uint256 internal constant ERC1271_GAS = 100_000;

    /// @notice What is wrong with a signature, if anything.
    enum Verdict {
        VALID,
        INVALID,
        MALLEABLE
    }

    /// @notice Thrown when `expected` did not sign this digest.
    error Signatures_InvalidSignature(address expected);

    /// @notice Thrown when s is in the upper half of the order: the same signature has a lower form.
    error Signatures_MalleableSignature(bytes32 s);

    /// @dev Reverts unless `expected` signed `digest`.
    function requireSigner(address expected, bytes32 digest, bytes calldata signature) internal view {
        (Verdict verdict, bytes32 s) = check(expected, digest, signature);
        require(verdict != Verdict.MALLEABLE, Signatures_MalleableSignature(s));
        require(verdict == Verdict.VALID, Signatures_InvalidSignature(expected));
    }

    /// @dev The same without reverting. The key comes first, so that accounts without code pay for no code lookup and
    /// those with delegated code (EIP-7702) keep signing by their key.
    /// @return verdict VALID, or why not.
    /// @return s The malleable s, otherwise zero.
    function check(address expected, bytes32 digest, bytes calldata signature)
        internal
        view
        returns (Verdict verdict, bytes32 s)
    {
        (address recovered, ECDSA.RecoverError reason, bytes32 detail) = ECDSA.tryRecoverCalldata(digest, signature);
        if (reason == ECDSA.RecoverError.NoError && recovered == expected) return (Verdict.VALID, 0);
        if (expected.code.length != 0 && _checkContract(expected, digest, signature)) return (Verdict.VALID, 0);
        if (reason == ECDSA.RecoverError.InvalidSignatureS) return (Verdict.MALLEABLE, detail);
        return (Verdict.INVALID, 0);
    }

    /// @dev ERC-1271 with bounded gas and bounded return data: a hostile account can't use up a whole batch.
    function _checkContract(address account, bytes32 digest, bytes calldata signature)
        private
        view
        returns (bool valid)
    {
        bytes memory data = abi.encodeCall(IERC1271.isValidSignature, (digest, signature));
        bytes32 magic = bytes32(IERC1271.isValidSignature.selector);
        assembly ("memory-safe") {
            let success := staticcall(ERC1271_GAS, account, add(data, 0x20), mload(data), 0x00, 0x20)
            valid := and(success, and(gt(returndatasize(), 0x1f), eq(mload(0x00), magic)))
        }
    }
}
