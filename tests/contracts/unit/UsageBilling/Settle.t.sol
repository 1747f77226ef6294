// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {UsageBilling} from "offsetdata/UsageBilling.sol";
import {IUsageBilling} from "offsetdata/interfaces/IUsageBilling.sol";
import {Signatures} from "offsetdata/libraries/Signatures.sol";
import {SignedVoucher, UsageVoucher} from "offsetdata/types/Billing.sol";

import {ContractAccount} from "../../mocks/Accounts.sol";
import {UnreliableToken} from "../../mocks/Tokens.sol";
import {BillingBase} from "./BillingBase.t.sol";

contract SettleTest is BillingBase {
    function test_GivenAllowance_ItPullsWhatIsDue() external {
        approve(reader, 1000);
        SignedVoucher memory item = readerVoucher(600);
        vm.expectEmit(address(billing));
        emit IUsageBilling.VoucherSettled(reader.addr, publisher.addr, collection, 0, reader.addr, 6, 600, 0);
        vm.prank(relayer.addr);
        assertEq(billing.settle(item), 600);
        assertEq(token.balanceOf(reader.addr), FUNDS - 600);
        assertEq(billing.revenueOf(collection, publisher.addr), 600);
        assertEq(settledOf(reader, 0), 600);
    }

    function test_GivenSettledLane_ItPaysTheDifference() external {
        approve(reader, 1000);
        billing.settle(readerVoucher(600));
        assertEq(billing.settle(readerVoucher(1000)), 400);
        assertEq(settledOf(reader, 0), 1000);
        assertEq(token.allowance(reader.addr, address(billing)), 0);
    }

    function test_GivenAnotherLane_ItCountsFromZero() external {
        approve(reader, 1000);
        billing.settle(readerVoucher(600));
        assertEq(billing.settle(signed(reader, voucherOf(reader, 1, 400))), 400);
        assertEq(billing.revenueOf(collection, publisher.addr), 1000);
    }

    function test_GivenDeposit_ItTakesTheDepositFirst() external {
        deposit(reader, 500);
        approve(reader, 1000);
        SignedVoucher memory item = readerVoucher(600);
        vm.expectEmit(address(billing));
        emit IUsageBilling.VoucherSettled(reader.addr, publisher.addr, collection, 0, reader.addr, 6, 600, 500);
        assertEq(billing.settle(item), 600);
        assertEq(depositOf(reader).balance, 0);
        assertEq(token.allowance(reader.addr, address(billing)), 900);
    }

    function test_GivenDeposit_WhenTheVoucherDoesNotSaySo_ItTakesTheAllowance() external {
        deposit(reader, 500);
        approve(reader, 1000);
        UsageVoucher memory voucher = voucherOf(reader, 0, 600);
        voucher.fromDeposit = false;
        SignedVoucher memory item = signed(reader, voucher);
        vm.expectEmit(address(billing));
        emit IUsageBilling.VoucherSettled(reader.addr, publisher.addr, collection, 0, reader.addr, 6, 600, 0);
        assertEq(billing.settle(item), 600);
        assertEq(depositOf(reader).balance, 500);
        assertEq(token.allowance(reader.addr, address(billing)), 400);
    }

    function test_RevertGiven_DepositAlone_WhenTheVoucherDoesNotSaySo() external {
        deposit(reader, 1000);
        UsageVoucher memory voucher = voucherOf(reader, 0, 600);
        voucher.fromDeposit = false;
        SignedVoucher memory item = signed(reader, voucher);
        vm.expectRevert(abi.encodeWithSelector(IUsageBilling.UsageBilling_NotPaid.selector, reader.addr, 600, 0));
        billing.settle(item);
    }

    function test_GivenThawingDeposit_ItMayTakeItUntilWithdrawn() external {
        deposit(reader, 500);
        vm.prank(reader.addr);
        billing.thaw(publisher.addr, 400);
        billing.settle(readerVoucher(300));
        assertEq(depositOf(reader).balance, 200);
        assertEq(depositOf(reader).thawing, 200);
    }

    function test_GivenContractPayer_ItAsksTheContract() external {
        ContractAccount account = new ContractAccount(reader.addr);
        token.mint(address(account), 1000);
        vm.prank(reader.addr);
        account.execute(address(token), abi.encodeCall(token.approve, (address(billing), 1000)));
        UsageVoucher memory voucher = voucherOf(reader, 0, 700);
        voucher.payer = address(account);
        SignedVoucher memory item =
            SignedVoucher(voucher, address(account), sign(reader, billing.voucherDigest(voucher)));
        assertEq(billing.settle(item), 700);
    }

    function test_RevertGiven_NoAllowance() external {
        SignedVoucher memory item = readerVoucher(600);
        vm.expectRevert(abi.encodeWithSelector(IUsageBilling.UsageBilling_NotPaid.selector, reader.addr, 600, 0));
        billing.settle(item);
    }

    function test_RevertGiven_LessThanDue_EvenWithADeposit() external {
        deposit(reader, 100);
        approve(reader, 200);
        SignedVoucher memory item = readerVoucher(600);
        vm.expectRevert(abi.encodeWithSelector(IUsageBilling.UsageBilling_NotPaid.selector, reader.addr, 600, 300));
        billing.settle(item);
        assertEq(depositOf(reader).balance, 100);
    }

    function test_RevertGiven_TokenThatAnswersFalse() external {
        approve(reader, 600);
        misbehave(reader.addr, UnreliableToken.Mode.ANSWERS_FALSE);
        SignedVoucher memory item = readerVoucher(600);
        vm.expectRevert(abi.encodeWithSelector(IUsageBilling.UsageBilling_NotPaid.selector, reader.addr, 600, 600));
        billing.settle(item);
        assertEq(settledOf(reader, 0), 0);
    }

    function test_RevertWhen_Replayed() external {
        approve(reader, 1000);
        SignedVoucher memory item = readerVoucher(600);
        billing.settle(item);
        vm.expectRevert(abi.encodeWithSelector(IUsageBilling.UsageBilling_NothingDue.selector, 600, 600));
        billing.settle(item);
    }

    function test_RevertWhen_LowerThanSettled() external {
        approve(reader, 1000);
        SignedVoucher memory older = readerVoucher(500);
        billing.settle(readerVoucher(600));
        vm.expectRevert(abi.encodeWithSelector(IUsageBilling.UsageBilling_NothingDue.selector, 500, 600));
        billing.settle(older);
    }

    function test_WhenItsLastSecond_ItPays() external {
        approve(reader, 600);
        SignedVoucher memory item = readerVoucher(600);
        vm.warp(item.voucher.validUntil);
        assertEq(billing.settle(item), 600);
    }

    function test_RevertWhen_Expired() external {
        approve(reader, 600);
        SignedVoucher memory item = readerVoucher(600);
        vm.warp(uint256(item.voucher.validUntil) + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IUsageBilling.UsageBilling_VoucherExpired.selector, item.voucher.validUntil, block.timestamp
            )
        );
        billing.settle(item);
    }

    function test_RevertWhen_SignedByAStrangerInTheNameOfThePayer() external {
        approve(reader, 600);
        SignedVoucher memory item = readerVoucher(600);
        item.signature = sign(stranger, billing.voucherDigest(item.voucher));
        _expectInvalidSignature(item, reader.addr);
    }

    function test_RevertWhen_AnyFieldIsChanged() external {
        approve(reader, 10_000);
        for (uint256 field = 0; field < 7; ++field) {
            SignedVoucher memory item = readerVoucher(600);
            if (field == 0) item.voucher.payee = stranger.addr;
            if (field == 1) item.voucher.collection = registerCollection("other");
            if (field == 2) item.voucher.lane = 1;
            if (field == 3) item.voucher.amount = 601;
            if (field == 4) item.voucher.records = 7;
            if (field == 5) item.voucher.validUntil += 1;
            if (field == 6) item.voucher.fromDeposit = !item.voucher.fromDeposit;
            _expectInvalidSignature(item, reader.addr);
        }
    }

    function test_RevertWhen_SignedForAnotherChain() external {
        approve(reader, 600);
        SignedVoucher memory item = readerVoucher(600);
        item.signature = sign(reader, _digestIn(item.voucher, block.chainid + 1, address(billing)));
        _expectInvalidSignature(item, reader.addr);
    }

    function test_RevertWhen_TheChainForks() external {
        approve(reader, 600);
        SignedVoucher memory item = readerVoucher(600);
        vm.chainId(block.chainid + 1);
        _expectInvalidSignature(item, reader.addr);
    }

    function test_RevertWhen_SignedForAnotherContract() external {
        UsageBilling other = new UsageBilling(token, collections, address(forwarder));
        approve(reader, 600);
        SignedVoucher memory item = readerVoucher(600);
        item.signature = sign(reader, other.voucherDigest(item.voucher));
        _expectInvalidSignature(item, reader.addr);
    }

    function test_RevertWhen_MalleableS() external {
        approve(reader, 600);
        SignedVoucher memory item = readerVoucher(600);
        bytes32 high;
        (item.signature, high) = malleable(item.signature);
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_MalleableSignature.selector, high));
        billing.settle(item);
    }

    function test_VoucherDigest_IsThatOfItsDomain() external view {
        UsageVoucher memory voucher = voucherOf(reader, 3, 900);
        assertEq(billing.voucherDigest(voucher), _digestIn(voucher, block.chainid, address(billing)));
    }

    function test_AvailableOf_IsDepositAndTheLesserOfAllowanceAndBalance() external {
        deposit(reader, 500);
        approve(reader, 300);
        assertEq(billing.availableOf(reader.addr, publisher.addr), 800);
        approve(reader, type(uint256).max);
        assertEq(billing.availableOf(reader.addr, publisher.addr), FUNDS);
    }

    function _expectInvalidSignature(SignedVoucher memory item, address expected) private {
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, expected));
        billing.settle(item);
    }

    function _digestIn(UsageVoucher memory voucher, uint256 chainId, address verifier) private pure returns (bytes32) {
        bytes32 typehash = keccak256(
            "UsageVoucher(address payer,address payee,bytes32 collection,uint64 lane,uint128 amount,uint64 records,uint40 validUntil,bool fromDeposit)"
        );
        return digestIn("Offsetdata UsageBilling", "1", chainId, verifier, keccak256(abi.encode(typehash, voucher)));
    }
}
