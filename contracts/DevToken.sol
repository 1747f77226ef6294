// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title DevToken
/// @notice The settlement token of development networks: ERC-20 with ERC-2612 and ERC-3009 (any 32 bytes are a nonce,
/// contract accounts sign by ERC-1271), as USDC has, and a faucet that is open to everyone. It is worth nothing and is
/// not deployed where money is.
contract DevToken is ERC20Permit, ERC3009 {
    /// @notice Thrown when more is asked of the faucet in one call than it gives.
    error DevToken_TooMuch(uint256 actual, uint256 maximum);

    /// @notice The most that one call of the faucet gives: a thousand million dollars.
    uint256 public constant MAX_MINT = 1e9 * 1e6;

    constructor() ERC20("Offsetdata Dev Dollar", "ODD") ERC20Permit("Offsetdata Dev Dollar") {}

    // ---------------------------------------------------------------- faucet

    /// @notice Gives `amount` to `to`. Open to everyone.
    function mint(address to, uint256 amount) external {
        require(amount <= MAX_MINT, DevToken_TooMuch(amount, MAX_MINT));
        _mint(to, amount);
    }

    // ---------------------------------------------------------------- authorizations by any account

    /// @notice ERC-3009 with a signature of any form, as in USDC 2.2.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        _requireSigned(TRANSFER_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce, signature);
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @notice ERC-3009 with a signature of any form, as in USDC 2.2. The receiver only.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        require(to == msg.sender, ERC20InvalidReceiver(to));
        _requireSigned(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce, signature);
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    // ---------------------------------------------------------------- views

    /// @notice Six, as USDC has.
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    // ---------------------------------------------------------------- internals

    function _requireSigned(
        bytes32 typehash,
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) private view {
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(typehash, from, to, value, validAfter, validBefore, nonce))
        );
        require(SignatureChecker.isValidSignatureNowCalldata(from, digest, signature), ERC3009InvalidSignature());
    }
}
