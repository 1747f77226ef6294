// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Handler, Stage} from "./Handler.sol";

/// @notice Time that passes: mostly minutes, now and then past every deadline.
contract ClockHandler is Handler {
    constructor(Stage memory stage) Handler(stage) {}

    function wait(uint256 seed) external drawn(seed) {
        uint256 longest = rarely(24) ? 4 days : rarely(12) ? 1 days : 10 minutes;
        vm.warp(block.timestamp + draw(longest));
        vm.roll(block.number + 1);
        ++taken[msg.sig];
    }

    function check() external view override {
        assertLt(block.timestamp, type(uint40).max, "times fit");
    }

    function actions() external pure override returns (bytes4[] memory list_) {
        list_ = new bytes4[](1);
        list_[0] = this.wait.selector;
    }

    function names() external pure override returns (string[] memory list_) {
        list_ = new string[](1);
        list_[0] = "wait";
    }
}
