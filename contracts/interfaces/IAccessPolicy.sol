// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Right} from "../types/Access.sol";
import {CollectionId} from "../types/Ids.sol";

/// @title AccessPolicy
/// @notice Says who may buy a right or be metered for it. Asked with 100,000 gas; a policy that reverts, answers
/// anything but one word or runs out of gas admits nobody.
interface IAccessPolicy {
    /// @notice Whether `account` may have `right` to `collection` under the offer that names this policy.
    function isAdmitted(CollectionId collection, Right right, address account) external view returns (bool);
}
