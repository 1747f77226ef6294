// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {AccessToken} from "offsetdata/AccessToken.sol";
import {DevToken} from "offsetdata/DevToken.sol";
import {Right} from "offsetdata/types/Access.sol";

import {AccessTokenBase} from "./AccessTokenBase.t.sol";

/// @notice A token that calls somebody in the middle of a transfer, as those with hooks do.
contract CallingToken is DevToken {
    address private _target;
    bytes private _data;
    bytes public answer;

    function callOnTransfer(address target, bytes calldata data) external {
        (_target, _data) = (target, data);
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        (, answer) = _target.call(_data);
        return super.transferFrom(from, to, value);
    }
}

contract ReentryTest is AccessTokenBase {
    CallingToken private calling;

    function setUp() public override {
        super.setUp();
        calling = new CallingToken();
        access = new AccessToken(calling, collections, address(forwarder));
        calling.mint(reader.addr, FUNDS);
        vm.prank(reader.addr);
        calling.approve(address(access), type(uint256).max);
        offer(Right.READ, timedOffer());
    }

    function _expectRefused(bytes memory call) private {
        calling.callOnTransfer(address(access), call);
        buy(reader);
        assertEq(bytes4(calling.answer()), ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        assertEq(calling.balanceOf(address(access)), PRICE);
    }

    function test_RevertWhen_BuyingWhileBuying() public {
        _expectRefused(abi.encodeCall(access.buy, (collection, Right.READ, anyTerms)));
    }

    function test_RevertWhen_WithdrawingWhileBuying() public {
        _expectRefused(abi.encodeCall(access.withdraw, (stranger.addr)));
    }

    function test_RevertWhen_RevokingWhileBuying() public {
        _expectRefused(abi.encodeCall(access.revoke, (collection, Right.READ, one(reader.addr))));
        assertEq(balance(reader), 1);
    }
}
