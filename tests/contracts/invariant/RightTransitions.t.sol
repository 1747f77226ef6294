// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessToken} from "offsetdata/interfaces/IAccessToken.sol";
import {AccessUse, FOR_EVER, Offer, Right} from "offsetdata/types/Access.sol";

import {AccessTokenBase} from "../unit/AccessToken/AccessTokenBase.t.sol";

/// @notice Every call on a purchase in every state that it can be in: the table says which is taken and with which error
/// each other is refused.
contract RightTransitionsTest is AccessTokenBase {
    uint256 private constant CALLS = 6;
    bytes4 private constant TAKEN = 0;
    bytes4 private constant NOTHING = IAccessToken.AccessToken_NothingHeld.selector;
    bytes4 private constant WAIT = IAccessToken.AccessToken_StillRefundable.selector;
    bytes4 private constant OVER = IAccessToken.AccessToken_RefundWindowOver.selector;
    bytes4 private constant DENIED = IAccessToken.AccessToken_Denied.selector;
    bytes4 private constant HELD = IAccessToken.AccessToken_AlreadyHeld.selector;
    bytes4 private constant RETIRED = IAccessToken.AccessToken_CollectionRetired.selector;
    bytes4 private constant OTHER = IAccessToken.AccessToken_PurchaseMismatch.selector;

    AccessUse private _use;
    bytes private _word;

    function setUp() public override {
        super.setUp();
        offer(Right.READ, timedOffer());
        approve(publisher, type(uint256).max);
    }

    // ---------------------------------------------------------------- the table: buy, use, refund, grant, revoke, offer

    function test_GivenNeverBought() external {
        _row("never", [TAKEN, NOTHING, NOTHING, TAKEN, TAKEN, TAKEN], false);
    }

    function test_GivenRefundable() external {
        buy(reader);
        _row("refundable", [WAIT, TAKEN, TAKEN, TAKEN, TAKEN, TAKEN], true);
    }

    function test_GivenRefundWindowIsOver() external {
        buy(reader);
        vm.warp(block.timestamp + WINDOW + 1);
        _row("due", [TAKEN, TAKEN, OVER, TAKEN, TAKEN, TAKEN], true);
    }

    function test_GivenUsed() external {
        buy(reader);
        _landUse();
        _row("used", [TAKEN, NOTHING, NOTHING, TAKEN, TAKEN, TAKEN], true);
    }

    function test_GivenExpired() external {
        buy(reader);
        vm.warp(block.timestamp + DURATION);
        _row("expired", [TAKEN, TAKEN, OVER, TAKEN, TAKEN, TAKEN], false);
    }

    function test_GivenRefunded() external {
        buy(reader);
        vm.prank(reader.addr);
        access.refund(collection, Right.READ);
        _row("refunded", [TAKEN, NOTHING, NOTHING, TAKEN, TAKEN, TAKEN], false);
    }

    function test_GivenRevoked() external {
        buy(reader);
        revoke(reader);
        _row("revoked", [TAKEN, NOTHING, NOTHING, TAKEN, TAKEN, TAKEN], false);
    }

    function test_GivenDenied() external {
        buy(reader);
        deny(reader, true);
        _row("denied", [DENIED, NOTHING, NOTHING, DENIED, TAKEN, TAKEN], false);
    }

    function test_GivenHeldForEver() external {
        grant(reader, FOR_EVER);
        _row("for ever", [HELD, NOTHING, NOTHING, TAKEN, TAKEN, TAKEN], true);
    }

    function test_GivenRetired() external {
        buy(reader);
        retire();
        _row("retired", [RETIRED, TAKEN, TAKEN, RETIRED, TAKEN, RETIRED], true);
    }

    function test_GivenBoughtAnew() external {
        buy(reader);
        (_use, _word) = useOf(reader);
        vm.prank(reader.addr);
        access.refund(collection, Right.READ);
        vm.warp(block.timestamp + 1);
        buy(reader);
        // The word of use of the purchase that was refunded doesn't count for this one.
        vm.expectRevert(abi.encodeWithSelector(OTHER, uint40(block.timestamp), uint40(block.timestamp - 1)));
        access.landUse(_use, _word);
    }

    // ---------------------------------------------------------------- how they are tried

    function _row(string memory state, bytes4[CALLS] memory expected, bool holds) private {
        assertEq(balance(reader), holds ? 1 : 0, state);
        assertEq(reads(reader), holds, state);
        for (uint256 i = 0; i < CALLS; ++i) {
            uint256 snapshot = vm.snapshotState();
            (address caller, bytes memory data) = _encoded(i);
            vm.prank(caller);
            (bool success, bytes memory result) = address(access).call(data);
            assertEq(success, expected[i] == TAKEN, string.concat(state, ": call ", vm.toString(i)));
            if (!success) {
                assertEq(bytes4(result), expected[i], string.concat(state, ": error of call ", vm.toString(i)));
            }
            vm.revertToState(snapshot);
        }
    }

    function _encoded(uint256 call) private view returns (address caller, bytes memory data) {
        caller = call < 3 ? reader.addr : publisher.addr;
        if (call == 0) data = abi.encodeCall(access.buy, (collection, Right.READ, anyTerms));
        if (call == 1) {
            (AccessUse memory use, bytes memory signature) = useOf(reader);
            data = abi.encodeCall(access.landUse, (use, signature));
        }
        if (call == 2) data = abi.encodeCall(access.refund, (collection, Right.READ));
        if (call == 3) {
            uint40 expiry = uint40(block.timestamp + 100 days);
            data = abi.encodeCall(access.grant, (collection, Right.READ, one(reader.addr), expiry));
        }
        if (call == 4) data = abi.encodeCall(access.revoke, (collection, Right.READ, one(reader.addr)));
        if (call == 5) {
            Offer memory terms = timedOffer();
            data = abi.encodeCall(access.setOffer, (collection, Right.READ, terms));
        }
    }

    function _landUse() private {
        (AccessUse memory use, bytes memory signature) = useOf(reader);
        access.landUse(use, signature);
    }
}
