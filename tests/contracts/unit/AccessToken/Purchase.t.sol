// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessToken} from "offsetdata/interfaces/IAccessToken.sol";
import {ICredits} from "offsetdata/interfaces/ICredits.sol";
import {Signatures} from "offsetdata/libraries/Signatures.sol";
import {Access, AccessUse, Offer, Right} from "offsetdata/types/Access.sol";

import {ContractAccount} from "../../mocks/Accounts.sol";
import {AccessTokenBase} from "./AccessTokenBase.t.sol";

contract PurchaseTest is AccessTokenBase {
    uint40 internal until;

    function setUp() public override {
        super.setUp();
        offer(Right.READ, timedOffer());
        buy(reader);
        until = held(reader).refundUntil;
    }

    function _refund(Account memory holder) private {
        vm.prank(holder.addr);
        access.refund(collection, Right.READ);
    }

    function _expectNothingHeld(address holder) private {
        vm.expectRevert(abi.encodeWithSelector(IAccessToken.AccessToken_NothingHeld.selector, holder));
    }

    // ---------------------------------------------------------------- landUse

    function test_LandUse() public {
        (AccessUse memory use, bytes memory signature) = useOf(reader);
        vm.expectEmit(address(access));
        emit IAccessToken.AccessUseLanded(collection, Right.READ, reader.addr, use.since);
        vm.expectEmit(address(access));
        emit IAccessToken.AccessReleased(collection, Right.READ, reader.addr, payee.addr, PRICE);
        vm.prank(relayer.addr);
        access.landUse(use, signature);

        assertEq(access.creditOf(payee.addr), PRICE);
        assertEq(held(reader).refundUntil, 0);
        assertEq(held(reader).payee, address(0));
        assertTrue(reads(reader));
        _expectNothingHeld(reader.addr);
        _refund(reader);
    }

    function test_LandUsePaysThePayeeOfThePurchase() public {
        vm.startPrank(publisher.addr);
        access.clearOffer(collection, Right.READ);
        vm.stopPrank();
        (AccessUse memory use, bytes memory signature) = useOf(reader);
        access.landUse(use, signature);
        assertEq(access.creditOf(payee.addr), PRICE);
    }

    function test_LandUseByContractAccount() public {
        ContractAccount account = new ContractAccount(reader.addr);
        token.mint(address(account), PRICE);
        vm.startPrank(reader.addr);
        account.execute(address(token), abi.encodeCall(token.approve, (address(access), PRICE)));
        account.execute(address(access), abi.encodeCall(access.buy, (collection, Right.READ, anyTerms)));
        vm.stopPrank();
        AccessUse memory use = AccessUse(collection, Right.READ, address(account), uint40(block.timestamp));
        bytes memory signature = sign(reader, address(access), useHash(use));
        access.landUse(use, signature);
        assertEq(access.creditOf(payee.addr), PRICE);
    }

    function test_UseDigestIsEip712() public view {
        (AccessUse memory use,) = useOf(reader);
        bytes32 expected = digestIn("Offsetdata AccessToken", "1", block.chainid, address(access), useHash(use));
        assertEq(access.accessUseDigest(use), expected);
    }

    function test_RevertWhen_UseIsReplayed() public {
        (AccessUse memory use, bytes memory signature) = useOf(reader);
        access.landUse(use, signature);
        _expectNothingHeld(reader.addr);
        access.landUse(use, signature);
    }

    function test_RevertWhen_UseIsOfAnEarlierPurchase() public {
        (AccessUse memory use, bytes memory signature) = useOf(reader);
        _refund(reader);
        vm.warp(block.timestamp + 1);
        buy(reader);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessToken.AccessToken_PurchaseMismatch.selector, use.since + 1, use.since)
        );
        access.landUse(use, signature);
    }

    function test_RevertWhen_UseIsSignedByStranger() public {
        (AccessUse memory use,) = useOf(reader);
        bytes memory signature = sign(stranger, address(access), useHash(use));
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, reader.addr));
        access.landUse(use, signature);
    }

    function test_RevertWhen_UseIsMalleable() public {
        (AccessUse memory use, bytes memory signature) = useOf(reader);
        (bytes memory other, bytes32 s) = malleable(signature);
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_MalleableSignature.selector, s));
        access.landUse(use, other);
    }

    function test_RevertWhen_UseIsForAnotherChainOrContract() public {
        (AccessUse memory use, bytes memory signature) = useOf(reader);
        bytes memory foreign =
            sign(reader, digestIn("Offsetdata AccessToken", "1", block.chainid, address(this), useHash(use)));
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, reader.addr));
        access.landUse(use, foreign);
        vm.chainId(block.chainid + 1);
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, reader.addr));
        access.landUse(use, signature);
    }

    // ---------------------------------------------------------------- refund

    function test_Refund() public {
        vm.warp(until);
        vm.expectEmit(address(access));
        emit IAccessToken.AccessRefunded(collection, Right.READ, reader.addr, PRICE);
        expectBurn(reader.addr, reader.addr, Right.READ);
        _refund(reader);

        assertEq(balance(reader), 0);
        assertFalse(reads(reader));
        assertEq(access.creditOf(reader.addr), PRICE);
        Access memory nothing;
        assertEq(abi.encode(held(reader)), abi.encode(nothing));
        vm.prank(reader.addr);
        access.withdraw(reader.addr);
        assertEq(token.balanceOf(reader.addr), FUNDS);
        assertEq(token.balanceOf(address(access)), 0);
    }

    function test_RefundOnlyOnce() public {
        _refund(reader);
        _expectNothingHeld(reader.addr);
        _refund(reader);
    }

    function test_RefundThenBuyAgain() public {
        _refund(reader);
        buy(reader);
        assertEq(balance(reader), 1);
        assertEq(access.creditOf(reader.addr), PRICE);
    }

    function test_RefundGivenOfferCleared() public {
        vm.prank(publisher.addr);
        access.clearOffer(collection, Right.READ);
        _refund(reader);
        assertEq(access.creditOf(reader.addr), PRICE);
    }

    function test_RefundAfterExpiryWithinTheWindow() public {
        // The window may be longer than the right lasts: unused money is the holder's until it ends.
        Offer memory terms = timedOffer();
        terms.duration = 1 hours;
        offer(Right.READ, terms);
        buy(user);
        vm.warp(block.timestamp + 1 hours);
        assertEq(balance(user), 0);
        vm.recordLogs();
        _refund(user);
        assertEq(vm.getRecordedLogs().length, 1, "refunded; nothing is burned that ended before");
        assertEq(access.creditOf(user.addr), PRICE);
    }

    function test_RevertGiven_WindowIsOver() public {
        vm.warp(until + 1);
        vm.expectRevert(abi.encodeWithSelector(IAccessToken.AccessToken_RefundWindowOver.selector, until));
        _refund(reader);
    }

    function test_RevertGiven_NothingBought() public {
        _expectNothingHeld(stranger.addr);
        _refund(stranger);
    }

    // ---------------------------------------------------------------- release

    function test_Release() public {
        buy(user);
        address[] memory holders = new address[](3);
        (holders[0], holders[1], holders[2]) = (reader.addr, stranger.addr, user.addr);
        vm.warp(until + 1);
        vm.expectEmit(address(access));
        emit IAccessToken.AccessReleased(collection, Right.READ, reader.addr, payee.addr, PRICE);
        vm.prank(stranger.addr);
        assertEq(access.release(collection, Right.READ, holders), 2 * PRICE);
        assertEq(access.creditOf(payee.addr), 2 * PRICE);
        assertTrue(reads(reader));

        assertEq(access.release(collection, Right.READ, holders), 0, "never twice");
        assertEq(access.creditOf(payee.addr), 2 * PRICE);
    }

    function test_ReleasePassesOverTheRefundable() public {
        vm.warp(until);
        assertEq(access.release(collection, Right.READ, one(reader.addr)), 0);
        assertEq(access.creditOf(payee.addr), 0);
        assertEq(held(reader).refundUntil, until);
    }

    function test_ReleasedAfterExpiry() public {
        vm.warp(block.timestamp + DURATION + 1);
        access.release(collection, Right.READ, one(reader.addr));
        vm.prank(payee.addr);
        access.withdraw(payee.addr);
        assertEq(token.balanceOf(payee.addr), PRICE);
    }

    // ---------------------------------------------------------------- withdraw

    function test_Withdraw() public {
        (AccessUse memory use, bytes memory signature) = useOf(reader);
        access.landUse(use, signature);
        vm.expectEmit(address(access));
        emit ICredits.Withdrawn(payee.addr, contributor.addr, PRICE);
        vm.prank(payee.addr);
        access.withdraw(contributor.addr);
        assertEq(token.balanceOf(contributor.addr), FUNDS + PRICE);
        assertEq(access.creditOf(payee.addr), 0);
    }

    function test_RevertGiven_NoCredit() public {
        vm.expectRevert(abi.encodeWithSelector(ICredits.Credits_NothingToWithdraw.selector, payee.addr));
        vm.prank(payee.addr);
        access.withdraw(payee.addr);
    }
}
