// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC2771Context} from "@openzeppelin/contracts/metatx/ERC2771Context.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ICredits} from "./interfaces/ICredits.sol";

/// @title Credits
/// @notice What every contract that owes money builds on: credits by account, pulled by `withdraw`. It decides no amount.
abstract contract Credits is ICredits, ERC2771Context, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @inheritdoc ICredits
    IERC20 public immutable token;

    mapping(address account => uint256 amount) private _credits;

    constructor(IERC20 token_, address forwarder) ERC2771Context(forwarder) {
        token = token_;
    }

    // ---------------------------------------------------------------- withdraw

    /// @inheritdoc ICredits
    function withdraw(address to) external nonReentrant returns (uint256 amount) {
        address account = _msgSender();
        require(to != address(0) && to != address(this), Credits_InvalidReceiver(to));
        amount = _credits[account];
        require(amount != 0, Credits_NothingToWithdraw(account));

        _credits[account] = 0;
        emit Withdrawn(account, to, amount);
        token.safeTransfer(to, amount);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc ICredits
    function creditOf(address account) public view returns (uint256) {
        return _credits[account];
    }

    // ---------------------------------------------------------------- internals

    /// @dev Owes `amount` more to `account`. Emits nothing: the caller's event carries the amount.
    function _credit(address account, uint256 amount) internal {
        unchecked {
            // No overflow: together the credits are never more than the tokens that this contract holds.
            _credits[account] += amount;
        }
    }
}
