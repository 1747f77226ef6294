// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DevToken} from "offsetdata/DevToken.sol";

/// @notice A token whose transfers can be switched to answer false, to revert, to return a huge error or to use up all
/// gas. For tests of what depends on it.
contract UnreliableToken is DevToken {
    enum Mode {
        WORKS,
        ANSWERS_FALSE,
        REVERTS,
        RETURNS_HUGE,
        BURNS_GAS
    }

    mapping(address account => Mode) public modeOf;

    function setMode(address account, Mode mode) external {
        modeOf[account] = mode;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        return _misbehaves(to) ? false : super.transfer(to, value);
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        return _misbehaves(from) ? false : super.transferFrom(from, to, value);
    }

    /// @dev True where the answer has to be false; reverts or never returns in the other modes.
    function _misbehaves(address account) private view returns (bool) {
        Mode mode = modeOf[account];
        if (mode == Mode.REVERTS) revert("blocked");
        if (mode == Mode.RETURNS_HUGE) {
            assembly {
                revert(0, 1000000)
            }
        }
        if (mode == Mode.BURNS_GAS) {
            assembly {
                invalid()
            }
        }
        return mode == Mode.ANSWERS_FALSE;
    }
}
