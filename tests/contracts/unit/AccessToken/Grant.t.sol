// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {IAccessToken} from "offsetdata/interfaces/IAccessToken.sol";
import {Access, AccessUse, FOR_EVER, Offer, Right} from "offsetdata/types/Access.sol";

import {AccessTokenBase} from "./AccessTokenBase.t.sol";

contract GrantTest is AccessTokenBase {
    uint40 internal time;

    function setUp() public override {
        super.setUp();
        time = uint40(block.timestamp);
        offer(Right.READ, timedOffer());
    }

    function _used(Account memory holder) private {
        (AccessUse memory use, bytes memory signature) = useOf(holder);
        access.landUse(use, signature);
    }

    function _publisherApproves(uint256 amount) private {
        vm.prank(publisher.addr);
        token.approve(address(access), amount);
    }

    // ---------------------------------------------------------------- grant

    function test_Grant() public {
        address[] memory holders = new address[](2);
        (holders[0], holders[1]) = (reader.addr, user.addr);
        vm.expectEmit(address(access));
        emit IAccessToken.AccessGranted(collection, Right.READ, reader.addr, time, time + 1 days);
        expectMint(publisher.addr, reader.addr, Right.READ);
        vm.prank(publisher.addr);
        access.grant(collection, Right.READ, holders, time + 1 days);
        assertEq(balance(reader), 1);
        assertEq(balance(user), 1);
        assertTrue(reads(user));
        assertEq(held(reader).since, time);
        vm.warp(time + 1 days);
        assertEq(balance(reader), 0);
        assertFalse(reads(reader));
    }

    function test_GrantForEver() public {
        grant(reader, FOR_EVER);
        vm.warp(time + 10_000 days);
        assertTrue(reads(reader));
    }

    function test_GrantGivenNoOffer() public {
        vm.prank(publisher.addr);
        access.grant(collection, Right.TRAIN, one(user.addr), time + 1 days);
        assertTrue(access.hasAccess(collection, user.addr, Right.TRAIN));
        assertFalse(access.hasAccess(collection, user.addr, Right.READ), "TRAIN doesn't imply READ");
    }

    function test_GrantExtends() public {
        grant(reader, time + 1 days);
        vm.warp(time + 10);
        vm.recordLogs();
        grant(reader, time + 2 days);
        assertEq(vm.getRecordedLogs().length, 1, "extended, not minted again");
        assertEq(held(reader).expiry, time + 2 days);
        assertEq(held(reader).since, time);
    }

    function test_GrantNeverShortens() public {
        buy(reader);
        vm.recordLogs();
        grant(reader, time + 1 days);
        grant(reader, time + DURATION);
        assertEq(vm.getRecordedLogs().length, 0, "neither shorter nor the same");
        assertEq(held(reader).expiry, time + DURATION);
        assertEq(held(reader).paid, PRICE);
    }

    function test_GrantKeepsRefundableMoney() public {
        Offer memory terms = timedOffer();
        terms.duration = 1 hours;
        offer(Right.READ, terms);
        buy(reader);
        vm.warp(time + 1 hours);
        grant(reader, time + 60 days);
        assertEq(held(reader).paid, PRICE);
        assertEq(held(reader).since, time);
        vm.prank(reader.addr);
        access.refund(collection, Right.READ);
        assertEq(access.creditOf(reader.addr), PRICE);
    }

    function test_GrantAfterExpiryReleasesMoney() public {
        buy(reader);
        vm.warp(time + DURATION);
        expectMint(publisher.addr, reader.addr, Right.READ);
        grant(reader, time + 60 days);
        assertEq(access.creditOf(payee.addr), PRICE);
        assertEq(held(reader).paid, 0);
        assertEq(held(reader).since, time + DURATION);
    }

    function test_RevertWhen_GrantedByStranger() public {
        expectNotPublisher(stranger.addr);
        vm.prank(stranger.addr);
        access.grant(collection, Right.READ, one(stranger.addr), FOR_EVER);
    }

    function test_RevertGiven_RetiredForGrant() public {
        grant(user, FOR_EVER);
        retire();
        expectRetired();
        grant(reader, FOR_EVER);
        assertTrue(reads(user));
    }

    function test_RevertGiven_DeniedForGrant() public {
        deny(reader, true);
        expectDenied(reader.addr);
        grant(reader, FOR_EVER);
    }

    function test_RevertWhen_ExpiryIsPast() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessToken.AccessToken_ExpiryInPast.selector, time, time));
        grant(reader, time);
    }

    // ---------------------------------------------------------------- revoke

    function test_RevokeGrant() public {
        grant(reader, FOR_EVER);
        vm.expectEmit(address(access));
        emit IAccessToken.AccessRevoked(collection, Right.READ, reader.addr, 0);
        expectBurn(publisher.addr, reader.addr, Right.READ);
        revoke(reader);
        assertEq(balance(reader), 0);
        assertFalse(reads(reader));
        Access memory nothing;
        assertEq(abi.encode(held(reader)), abi.encode(nothing));
    }

    function test_RevokeUnusedInTheWindowReturnsAll() public {
        buy(reader);
        vm.warp(time + WINDOW);
        vm.expectEmit(address(access));
        emit IAccessToken.AccessRevoked(collection, Right.READ, reader.addr, PRICE);
        revoke(reader);
        assertEq(access.creditOf(reader.addr), PRICE);
        assertEq(access.creditOf(payee.addr), 0);
    }

    function test_RevokeOfHeldMoneyAfterTheWindowSharesIt() public {
        buy(reader);
        vm.warp(time + DURATION / 3);
        vm.expectEmit(address(access));
        emit IAccessToken.AccessReleased(collection, Right.READ, reader.addr, payee.addr, PRICE / 3);
        vm.expectEmit(address(access));
        emit IAccessToken.AccessRevoked(collection, Right.READ, reader.addr, PRICE / 3 * 2);
        revoke(reader);
        assertEq(access.creditOf(reader.addr), PRICE / 3 * 2);
        assertEq(access.creditOf(payee.addr), PRICE / 3);
    }

    function test_RevokeOfUsedRightIsPaidByThePublisher() public {
        buy(reader);
        _used(reader);
        vm.warp(time + DURATION / 3);
        _publisherApproves(PRICE);
        revoke(reader);
        assertEq(access.creditOf(reader.addr), PRICE / 3 * 2);
        assertEq(access.creditOf(payee.addr), PRICE);
        assertEq(token.balanceOf(publisher.addr), FUNDS - PRICE / 3 * 2);
        assertEq(token.balanceOf(address(access)), PRICE + PRICE / 3 * 2);
    }

    function test_RevokeForEverReturnsAll() public {
        Offer memory terms = timedOffer();
        terms.duration = 0;
        offer(Right.READ, terms);
        buy(reader);
        _used(reader);
        _publisherApproves(PRICE);
        vm.warp(time + 1000 days);
        revoke(reader);
        assertEq(access.creditOf(reader.addr), PRICE);
    }

    function test_RevokeRenewedRightReturnsBothShares() public {
        buy(reader);
        _used(reader);
        vm.warp(time + DURATION / 2);
        buy(reader);
        _publisherApproves(2 * PRICE);
        // A quarter of the 45 days that are left from here, for which one and a half prices were paid.
        vm.warp(block.timestamp + uint256(DURATION) * 3 / 2 * 3 / 4);
        revoke(reader);
        assertEq(access.creditOf(reader.addr), (PRICE + PRICE / 2) / 4);
    }

    function test_RevokePassesOverWhoHoldsNothing() public {
        buy(reader);
        address[] memory holders = new address[](3);
        (holders[0], holders[1], holders[2]) = (stranger.addr, reader.addr, reader.addr);
        vm.recordLogs();
        vm.prank(publisher.addr);
        access.revoke(collection, Right.READ, holders);
        assertEq(vm.getRecordedLogs().length, 2, "one revoked, one burned");
        assertEq(access.creditOf(reader.addr), PRICE, "and refunded once");
    }

    function test_RevokedMayBuyAgain() public {
        buy(reader);
        revoke(reader);
        buy(reader);
        assertEq(balance(reader), 1);
    }

    function test_RevertGiven_PublisherCantMakeGood() public {
        buy(reader);
        _used(reader);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(access), 0, PRICE)
        );
        revoke(reader);
        assertTrue(reads(reader));
    }

    function test_RevertWhen_RevokedByStranger() public {
        expectNotPublisher(stranger.addr);
        vm.prank(stranger.addr);
        access.revoke(collection, Right.READ, one(reader.addr));
    }

    // ---------------------------------------------------------------- setDenied

    function test_DenyMetered() public {
        offer(Right.READ, meteredOffer());
        offer(Right.TRAIN, meteredOffer());
        assertTrue(reads(reader));
        vm.expectEmit(address(access));
        emit IAccessToken.AccessDenied(collection, reader.addr, true);
        deny(reader, true);
        assertFalse(reads(reader));
        assertFalse(access.hasAccess(collection, reader.addr, Right.TRAIN));
        assertTrue(access.isDenied(collection, reader.addr));
        assertTrue(reads(user));

        vm.expectEmit(address(access));
        emit IAccessToken.AccessDenied(collection, reader.addr, false);
        deny(reader, false);
        assertTrue(reads(reader));
        assertFalse(access.isDenied(collection, reader.addr));
    }

    function test_DenyRevokesBothRightsWithTheirMoney() public {
        offer(Right.TRAIN, timedOffer());
        buy(reader);
        vm.prank(reader.addr);
        access.buy(collection, Right.TRAIN, anyTerms);
        expectBurn(publisher.addr, reader.addr, Right.READ);
        expectBurn(publisher.addr, reader.addr, Right.TRAIN);
        deny(reader, true);
        assertEq(balance(reader), 0);
        assertEq(access.creditOf(reader.addr), 2 * PRICE);
    }

    function test_DenyOfUsedRightIsPaidByThePublisher() public {
        buy(reader);
        _used(reader);
        _publisherApproves(PRICE);
        deny(reader, true);
        assertEq(access.creditOf(reader.addr), PRICE);
        assertEq(token.balanceOf(publisher.addr), FUNDS - PRICE);
        deny(reader, false);
        assertFalse(reads(reader), "the right is gone");
    }

    function test_DenyGivenRetired() public {
        grant(reader, FOR_EVER);
        retire();
        deny(reader, true);
        assertFalse(reads(reader));
    }

    function test_DenialOutlivesARefund() public {
        Offer memory terms = timedOffer();
        terms.duration = 1 hours;
        offer(Right.READ, terms);
        buy(reader);
        vm.warp(time + 1 hours);
        deny(reader, true);
        vm.prank(reader.addr);
        access.refund(collection, Right.READ);
        assertEq(access.creditOf(reader.addr), PRICE);
        assertTrue(access.isDenied(collection, reader.addr));
    }

    function test_RevertWhen_DeniedByStranger() public {
        expectNotPublisher(stranger.addr);
        vm.prank(stranger.addr);
        access.setDenied(collection, one(reader.addr), true);
    }
}
