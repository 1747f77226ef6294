// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title Credits
/// @notice Money that a contract owes to accounts, in the settlement token's smallest unit. Every amount that leaves
/// is credited first and pulled by its owner, so that one blocked payee blocks nobody.
interface ICredits {
    /// @notice Emitted when an account pulls all that it is owed.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice Thrown when the caller is owed nothing.
    error Credits_NothingToWithdraw(address account);

    /// @notice Thrown when the receiver is zero or the contract itself.
    error Credits_InvalidReceiver(address to);

    /// @notice Pays all that the caller is owed to `to`.
    /// @return amount What was paid.
    function withdraw(address to) external returns (uint256 amount);

    /// @notice What `account` is owed.
    function creditOf(address account) external view returns (uint256);

    /// @notice The settlement token.
    function token() external view returns (IERC20);
}
