// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessPolicy} from "../interfaces/IAccessPolicy.sol";
import {Right} from "../types/Access.sol";
import {CollectionId} from "../types/Ids.sol";

/// @notice The one function that ERC-20 and ERC-721 share and that this policy needs.
interface IBalance {
    /// @notice How much `account` holds.
    function balanceOf(address account) external view returns (uint256);
}

/// @title TokenHolderPolicy
/// @notice Admits whoever holds at least `minimum` of an ERC-20 or ERC-721 token now, to any collection and right
/// whose offer names this policy. Nobody can change it; a balance can be borrowed for one block, so that it says who
/// is a member, not who deserves trust.
contract TokenHolderPolicy is IAccessPolicy {
    /// @notice Thrown when the token has no code or the minimum is zero.
    error TokenHolderPolicy_InvalidTerms();

    /// @notice The token that has to be held.
    IBalance public immutable token;

    /// @notice The least balance that admits, in the token's smallest unit.
    uint256 public immutable minimum;

    constructor(IBalance token_, uint256 minimum_) {
        require(address(token_).code.length != 0 && minimum_ != 0, TokenHolderPolicy_InvalidTerms());
        token = token_;
        minimum = minimum_;
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IAccessPolicy
    function isAdmitted(CollectionId, Right, address account) external view returns (bool) {
        return token.balanceOf(account) >= minimum;
    }
}
