// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ICredits} from "offsetdata/interfaces/ICredits.sol";
import {IUsageBilling} from "offsetdata/interfaces/IUsageBilling.sol";

import {RevertingAccount} from "../../mocks/Accounts.sol";
import {UnreliableToken} from "../../mocks/Tokens.sol";
import {BillingBase} from "./BillingBase.t.sol";

contract DepositTest is BillingBase {
    function test_WhenDeposited_ItIsEarmarked() external {
        approve(reader, 500);
        vm.expectEmit(address(billing));
        emit IUsageBilling.Deposited(reader.addr, publisher.addr, 500, 500);
        vm.prank(reader.addr);
        billing.deposit(publisher.addr, 500);
        assertEq(depositOf(reader).balance, 500);
        assertEq(billing.depositOf(reader.addr, stranger.addr).balance, 0);
        assertEq(token.balanceOf(address(billing)), 500);
    }

    function test_WhenDepositedThroughTheForwarder() external {
        approve(reader, 500);
        forward(reader, address(billing), abi.encodeCall(billing.deposit, (publisher.addr, 500)));
        assertEq(depositOf(reader).balance, 500);
    }

    function test_WhenDepositedWithPermit() external {
        (uint8 v, bytes32 r, bytes32 s) = signPermit(reader, address(billing), 500, block.timestamp);
        vm.prank(reader.addr);
        billing.depositWithPermit(publisher.addr, 500, block.timestamp, v, r, s);
        assertEq(depositOf(reader).balance, 500);
    }

    function test_GivenThePermitLandedAlready_ItDeposits() external {
        (uint8 v, bytes32 r, bytes32 s) = signPermit(reader, address(billing), 500, block.timestamp);
        vm.prank(stranger.addr);
        token.permit(reader.addr, address(billing), 500, block.timestamp, v, r, s);
        vm.prank(reader.addr);
        billing.depositWithPermit(publisher.addr, 500, block.timestamp, v, r, s);
        assertEq(depositOf(reader).balance, 500);
    }

    function test_RevertWhen_Zero() external {
        vm.expectRevert(IUsageBilling.UsageBilling_ZeroAmount.selector);
        vm.prank(reader.addr);
        billing.deposit(publisher.addr, 0);
    }

    function test_RevertGiven_TokenThatAnswersFalse() external {
        approve(reader, 500);
        misbehave(reader.addr, UnreliableToken.Mode.ANSWERS_FALSE);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token)));
        vm.prank(reader.addr);
        billing.deposit(publisher.addr, 500);
    }

    function test_WhenThawed_ItIsCreditedAfterThePeriod() external {
        deposit(reader, 500);
        uint40 thawsAt = uint40(block.timestamp) + billing.THAW_PERIOD();
        vm.startPrank(reader.addr);
        vm.expectEmit(address(billing));
        emit IUsageBilling.DepositThawing(reader.addr, publisher.addr, 300, thawsAt);
        billing.thaw(publisher.addr, 300);
        vm.warp(thawsAt);
        vm.expectEmit(address(billing));
        emit IUsageBilling.DepositWithdrawn(reader.addr, publisher.addr, 300, 200);
        assertEq(billing.withdrawDeposit(publisher.addr), 300);
        assertEq(billing.creditOf(reader.addr), 300);
        assertEq(depositOf(reader).balance, 200);
        assertEq(depositOf(reader).thawing, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IUsageBilling.UsageBilling_NothingThawing.selector, reader.addr, publisher.addr)
        );
        billing.withdrawDeposit(publisher.addr);
    }

    function test_GivenThawing_WhenThawedAgain_ThePeriodBeginsAnew() external {
        deposit(reader, 500);
        vm.startPrank(reader.addr);
        billing.thaw(publisher.addr, 100);
        vm.warp(block.timestamp + 1 days);
        billing.thaw(publisher.addr, 500);
        uint40 thawsAt = uint40(block.timestamp) + billing.THAW_PERIOD();
        vm.warp(thawsAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IUsageBilling.UsageBilling_StillThawing.selector, thawsAt, thawsAt - 1));
        billing.withdrawDeposit(publisher.addr);
    }

    function test_GivenThawing_WhenTakenBack_NothingThaws() external {
        deposit(reader, 500);
        vm.startPrank(reader.addr);
        billing.thaw(publisher.addr, 100);
        billing.thaw(publisher.addr, 0);
        assertEq(depositOf(reader).thawsAt, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IUsageBilling.UsageBilling_NothingThawing.selector, reader.addr, publisher.addr)
        );
        billing.withdrawDeposit(publisher.addr);
    }

    function test_RevertWhen_MoreThawsThanIsThere() external {
        deposit(reader, 500);
        vm.expectRevert(abi.encodeWithSelector(IUsageBilling.UsageBilling_ThawOverDeposit.selector, 501, 500));
        vm.prank(reader.addr);
        billing.thaw(publisher.addr, 501);
    }

    function test_GivenVouchersTookAllThatThaws_NothingIsWithdrawn() external {
        deposit(reader, 500);
        vm.prank(reader.addr);
        billing.thaw(publisher.addr, 500);
        billing.settle(readerVoucher(500));
        vm.warp(block.timestamp + billing.THAW_PERIOD());
        vm.expectRevert(
            abi.encodeWithSelector(IUsageBilling.UsageBilling_NothingThawing.selector, reader.addr, publisher.addr)
        );
        vm.prank(reader.addr);
        billing.withdrawDeposit(publisher.addr);
    }

    // ---------------------------------------------------------------- credits

    function test_Withdraw_PaysAllToWhomTheOwnerNames() external {
        _credited(300);
        vm.expectEmit(address(billing));
        emit ICredits.Withdrawn(reader.addr, stranger.addr, 300);
        vm.prank(reader.addr);
        assertEq(billing.withdraw(stranger.addr), 300);
        assertEq(token.balanceOf(stranger.addr), FUNDS + 300);
        assertEq(billing.creditOf(reader.addr), 0);
    }

    function test_Withdraw_ThroughTheForwarder() external {
        _credited(300);
        forward(reader, address(billing), abi.encodeCall(billing.withdraw, (reader.addr)));
        assertEq(token.balanceOf(reader.addr), FUNDS);
    }

    function test_Withdraw_GivenContractThatRefusesCalls_ItIsPaidAllTheSame() external {
        _credited(300);
        RevertingAccount account = new RevertingAccount();
        vm.prank(reader.addr);
        billing.withdraw(address(account));
        assertEq(token.balanceOf(address(account)), 300);
    }

    function test_RevertWhen_NothingIsCredited() external {
        vm.expectRevert(abi.encodeWithSelector(ICredits.Credits_NothingToWithdraw.selector, stranger.addr));
        vm.prank(stranger.addr);
        billing.withdraw(stranger.addr);
    }

    function test_RevertWhen_ReceiverIsZeroOrTheContract() external {
        _credited(300);
        address[2] memory receivers = [address(0), address(billing)];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ICredits.Credits_InvalidReceiver.selector, receivers[i]));
            vm.prank(reader.addr);
            billing.withdraw(receivers[i]);
        }
    }

    function test_RevertGiven_TokenThatAnswersFalse_TheCreditStays() external {
        _credited(300);
        misbehave(reader.addr, UnreliableToken.Mode.ANSWERS_FALSE);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token)));
        vm.prank(reader.addr);
        billing.withdraw(reader.addr);
        assertEq(billing.creditOf(reader.addr), 300);
    }

    function _credited(uint256 amount) private {
        deposit(reader, amount);
        vm.startPrank(reader.addr);
        billing.thaw(publisher.addr, amount);
        vm.warp(block.timestamp + billing.THAW_PERIOD());
        billing.withdrawDeposit(publisher.addr);
        vm.stopPrank();
    }
}
