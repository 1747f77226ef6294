// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title ReceiveWithAuthorization
/// @notice The one function of ERC-3009 that we call, in the form with a signature of any length (USDC 2.2,
/// OpenZeppelin 5.7), so that contract accounts can sign too.
interface IReceiveWithAuthorization {
    /// @notice Moves `value` from `from`, who signed this, to `to`, which must be the caller. `nonce` counts once.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;
}
