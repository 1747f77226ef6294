// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC2771Context} from "@openzeppelin/contracts/metatx/ERC2771Context.sol";

import {IAccessPolicy} from "../interfaces/IAccessPolicy.sol";
import {ICollectionRegistry} from "../interfaces/ICollectionRegistry.sol";
import {Right} from "../types/Access.sol";
import {CollectionId} from "../types/Ids.sol";

/// @title AllowListPolicy
/// @notice Admits the accounts that the publisher of a collection listed for a right. One contract serves all
/// collections. It knows no price and no expiry.
contract AllowListPolicy is IAccessPolicy, ERC2771Context {
    /// @notice Emitted when an account is listed or taken off.
    event AllowListed(CollectionId indexed collection, Right indexed right, address indexed account, bool allowed);

    /// @notice Thrown when the caller is not the publisher of the collection (zero: no such collection).
    error AllowListPolicy_NotPublisher(address caller, address publisher);

    ICollectionRegistry public immutable registry;

    mapping(CollectionId collection => mapping(Right right => mapping(address account => bool allowed))) private
        _allowed;

    constructor(ICollectionRegistry registry_, address forwarder) ERC2771Context(forwarder) {
        registry = registry_;
    }

    // ---------------------------------------------------------------- list

    /// @notice Lists accounts, or takes them off. Publisher only.
    function setAllowed(CollectionId collection, Right right, address[] calldata accounts, bool allowed) external {
        address caller = _msgSender();
        address publisher = registry.publisherOf(collection);
        require(caller == publisher, AllowListPolicy_NotPublisher(caller, publisher));
        for (uint256 i = 0; i < accounts.length; ++i) {
            _allowed[collection][right][accounts[i]] = allowed;
            emit AllowListed(collection, right, accounts[i], allowed);
        }
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IAccessPolicy
    function isAdmitted(CollectionId collection, Right right, address account) external view returns (bool) {
        return _allowed[collection][right][account];
    }
}
