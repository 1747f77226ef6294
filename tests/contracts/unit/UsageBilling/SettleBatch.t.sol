// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IUsageBilling} from "offsetdata/interfaces/IUsageBilling.sol";
import {Signatures} from "offsetdata/libraries/Signatures.sol";
import {SignedVoucher, UsageVoucher} from "offsetdata/types/Billing.sol";

import {GasBurningAccount} from "../../mocks/Accounts.sol";
import {UnreliableToken} from "../../mocks/Tokens.sol";
import {BillingBase} from "./BillingBase.t.sol";

contract SettleBatchTest is BillingBase {
    function test_GivenSeveralPayers_ItPaysAll() external {
        approve(reader, 1000);
        deposit(user, 1000);
        SignedVoucher[] memory items = new SignedVoucher[](3);
        items[0] = readerVoucher(600);
        items[1] = signed(user, voucherOf(user, 0, 500));
        items[2] = signed(reader, voucherOf(reader, 1, 100));
        assertEq(billing.settleBatch(items), 1200);
        assertEq(billing.revenueOf(collection, publisher.addr), 1200);
    }

    function test_GivenTheSameVoucherTwice_ItPaysOnce() external {
        approve(reader, 1000);
        SignedVoucher[] memory items = new SignedVoucher[](2);
        items[0] = readerVoucher(600);
        items[1] = items[0];
        _expectSkipped(items[1], IUsageBilling.UsageBilling_NothingDue.selector);
        assertEq(billing.settleBatch(items), 600);
    }

    function test_GivenLessThanDue_ItPaysWhatIsThere() external {
        deposit(reader, 100);
        approve(reader, 200);
        assertEq(billing.settleBatch(_one(readerVoucher(600))), 300);
        assertEq(settledOf(reader, 0), 300);
        assertEq(depositOf(reader).balance, 0);
        // The same voucher pays the rest once there is money.
        approve(reader, 1000);
        assertEq(billing.settle(readerVoucher(600)), 300);
    }

    function test_GivenLowBalance_ItPaysTheBalance() external {
        approve(reader, 1000);
        vm.prank(reader.addr);
        require(token.transfer(stranger.addr, FUNDS - 250));
        assertEq(billing.settleBatch(_one(readerVoucher(600))), 250);
    }

    function test_GivenADepositAndATokenThatRefuses_ItPaysTheDeposit() external {
        deposit(reader, 100);
        approve(reader, 1000);
        misbehave(reader.addr, UnreliableToken.Mode.REVERTS);
        assertEq(billing.settleBatch(_one(readerVoucher(600))), 100);
    }

    function test_GivenSpenderCap_ItPaysUpToTheCap() external {
        approve(reader, 1000);
        authorize(250);
        assertEq(billing.settleBatch(_one(signed(spender, voucherOf(reader, 0, 600)))), 250);
        assertEq(spenderState().spent, 250);
        SignedVoucher memory item = signed(spender, voucherOf(reader, 0, 600));
        _expectSkipped(item, IUsageBilling.UsageBilling_CapExceeded.selector);
        assertEq(billing.settleBatch(_one(item)), 0);
    }

    function test_WhenOneCanNotBePaid_TheOthersAre() external {
        approve(reader, 10_000);
        for (uint256 i = 0; i < 6; ++i) {
            (SignedVoucher memory bad, bytes4 reason) = _bad(i);
            SignedVoucher[] memory items = new SignedVoucher[](2);
            items[0] = bad;
            items[1] = readerVoucher(uint128(100 * (i + 1)));
            _expectSkipped(bad, reason);
            assertEq(billing.settleBatch(items), 100);
        }
    }

    function test_GivenTokenThatMisbehavesForOnePayer_TheOthersPay() external {
        approve(reader, 10_000);
        approve(user, 10_000);
        for (uint8 mode = 1; mode <= uint8(UnreliableToken.Mode.BURNS_GAS); ++mode) {
            misbehave(user.addr, UnreliableToken.Mode(mode));
            SignedVoucher[] memory items = new SignedVoucher[](2);
            items[0] = signed(user, voucherOf(user, 0, 500));
            items[1] = readerVoucher(uint128(mode) * 100);
            _expectSkipped(items[0], IUsageBilling.UsageBilling_NotPaid.selector);
            uint256 before = gasleft();
            assertEq(billing.settleBatch(items), 100);
            assertLt(before - gasleft(), 1_500_000);
        }
        assertEq(settledOf(user, 0), 0);
    }

    function test_GivenPayerThatBurnsGas_ItsCheckIsBounded() external {
        GasBurningAccount account = new GasBurningAccount();
        UsageVoucher memory voucher = voucherOf(reader, 0, 100);
        voucher.payer = address(account);
        SignedVoucher memory item = SignedVoucher(voucher, address(account), new bytes(65));
        _expectSkipped(item, Signatures.Signatures_InvalidSignature.selector);
        uint256 before = gasleft();
        assertEq(billing.settleBatch(_one(item)), 0);
        assertLt(before - gasleft(), 250_000);
    }

    function test_WhenEmpty_ItPaysNothing() external {
        assertEq(billing.settleBatch(new SignedVoucher[](0)), 0);
    }

    /// @dev Vouchers of the user that can't be paid, each for another reason.
    function _bad(uint256 i) private returns (SignedVoucher memory item, bytes4 reason) {
        item = signed(user, voucherOf(user, 0, 500));
        if (i == 0) return (item, IUsageBilling.UsageBilling_NotPaid.selector);
        if (i == 1) {
            item.voucher.validUntil = uint40(block.timestamp - 1);
            return (item, IUsageBilling.UsageBilling_VoucherExpired.selector);
        }
        if (i == 2) {
            item.signature = sign(stranger, billing.voucherDigest(item.voucher));
            return (item, Signatures.Signatures_InvalidSignature.selector);
        }
        if (i == 3) {
            (item.signature,) = malleable(item.signature);
            return (item, Signatures.Signatures_MalleableSignature.selector);
        }
        if (i == 4) {
            item.signer = stranger.addr;
            return (item, IUsageBilling.UsageBilling_SpenderNotAuthorized.selector);
        }
        item.voucher.amount = 0;
        return (item, IUsageBilling.UsageBilling_NothingDue.selector);
    }

    function _expectSkipped(SignedVoucher memory item, bytes4 reason) private {
        vm.expectEmit(address(billing));
        emit IUsageBilling.VoucherSkipped(
            item.voucher.payer,
            item.voucher.payee,
            item.voucher.collection,
            item.voucher.lane,
            item.voucher.amount,
            reason
        );
    }

    function _one(SignedVoucher memory item) private pure returns (SignedVoucher[] memory items) {
        items = new SignedVoucher[](1);
        items[0] = item;
    }
}
