// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {AccessToken} from "offsetdata/AccessToken.sol";
import {IAccessToken} from "offsetdata/interfaces/IAccessToken.sol";
import {Access, BuyAuthorization, BuyLimits, FOR_EVER, Offer, Right} from "offsetdata/types/Access.sol";

import {ContractAccount} from "../../mocks/Accounts.sol";
import {UnreliableToken} from "../../mocks/Tokens.sol";
import {AccessTokenBase} from "./AccessTokenBase.t.sol";

contract BuyTest is AccessTokenBase {
    function setUp() public override {
        super.setUp();
        offer(Right.READ, timedOffer());
    }

    function _buyWithin(uint128 maxPrice, uint40 minDuration, uint40 minRefundWindow) private {
        vm.prank(reader.addr);
        access.buy(collection, Right.READ, BuyLimits(maxPrice, minDuration, minRefundWindow));
    }

    // ---------------------------------------------------------------- buy

    function test_Buy() public {
        uint40 time = uint40(block.timestamp);
        vm.expectEmit(address(access));
        emit IAccessToken.AccessBought(
            collection, Right.READ, reader.addr, PRICE, payee.addr, time, time + DURATION, time + WINDOW
        );
        expectMint(reader.addr, reader.addr, Right.READ);
        buy(reader);

        assertEq(balance(reader), 1);
        assertTrue(reads(reader));
        assertFalse(access.hasAccess(collection, reader.addr, Right.TRAIN));
        assertEq(token.balanceOf(reader.addr), FUNDS - PRICE);
        assertEq(token.balanceOf(address(access)), PRICE);
        assertEq(access.creditOf(payee.addr), 0);
        Access memory state = held(reader);
        assertEq(state.paid, PRICE);
        assertEq(state.since, time);
        assertEq(state.expiry, time + DURATION);
        assertEq(state.refundUntil, time + WINDOW);
        assertEq(state.payee, payee.addr);
    }

    function test_BuyThroughForwarder() public {
        forward(reader, address(access), abi.encodeCall(access.buy, (collection, Right.READ, anyTerms)));
        assertEq(balance(reader), 1);
        assertEq(token.balanceOf(reader.addr), FUNDS - PRICE);
    }

    function test_BuyEndsAtExpiry() public {
        buy(reader);
        vm.warp(block.timestamp + DURATION - 1);
        assertEq(balance(reader), 1);
        vm.warp(block.timestamp + 1);
        assertEq(balance(reader), 0);
        assertFalse(reads(reader));
    }

    function test_BuyWithoutRefundWindow() public {
        Offer memory terms = timedOffer();
        terms.refundWindow = 0;
        offer(Right.READ, terms);
        buy(reader);
        assertEq(access.creditOf(payee.addr), PRICE);
        assertEq(held(reader).refundUntil, 0);
        vm.expectRevert(abi.encodeWithSelector(IAccessToken.AccessToken_NothingHeld.selector, reader.addr));
        vm.prank(reader.addr);
        access.refund(collection, Right.READ);
    }

    function test_BuyForEver() public {
        Offer memory terms = timedOffer();
        terms.duration = 0;
        offer(Right.READ, terms);
        buy(reader);
        assertEq(held(reader).expiry, FOR_EVER);
        vm.expectRevert(abi.encodeWithSelector(IAccessToken.AccessToken_AlreadyHeld.selector, reader.addr));
        buy(reader);
    }

    function test_BuyFree() public {
        Offer memory terms = timedOffer();
        terms.price = 0;
        terms.refundWindow = 0;
        offer(Right.READ, terms);
        approve(reader, 0);
        buy(reader);
        assertEq(balance(reader), 1);
        assertEq(token.balanceOf(reader.addr), FUNDS);
    }

    function test_BuyAtTheLimits() public {
        _buyWithin(PRICE, DURATION, WINDOW);
        assertEq(balance(reader), 1);
    }

    function test_BuyAgainAfterExpiry() public {
        buy(reader);
        vm.warp(block.timestamp + DURATION + 5);
        buy(reader);
        // The first purchase was never used nor taken back: its window is over, so its payee has it.
        assertEq(access.creditOf(payee.addr), PRICE);
        assertEq(held(reader).paid, PRICE);
        assertEq(held(reader).expiry, block.timestamp + DURATION);
        assertEq(held(reader).refundUntil, block.timestamp + WINDOW);
        assertEq(token.balanceOf(address(access)), 2 * PRICE);
    }

    function test_RenewWhileHeld() public {
        buy(reader);
        uint40 expiry = held(reader).expiry;
        vm.warp(block.timestamp + DURATION / 2);
        vm.recordLogs();
        buy(reader);
        // One third event kind is missing: the balance did not change, so nothing is minted.
        assertEq(vm.getRecordedLogs().length, 3, "released, bought, transfer of the token");
        assertEq(access.creditOf(payee.addr), 2 * PRICE);
        Access memory state = held(reader);
        assertEq(state.expiry, expiry + DURATION);
        assertEq(state.since, block.timestamp);
        assertEq(state.refundUntil, 0);
        assertEq(state.paid, PRICE / 2 + PRICE, "what is left of the first and the whole second");
    }

    function test_BuyOnTopOfAGrantKeepsTheRefundWindow() public {
        grant(reader, uint40(block.timestamp + 10 days));
        buy(reader);
        assertEq(held(reader).refundUntil, block.timestamp + WINDOW);
        assertEq(held(reader).expiry, block.timestamp + 10 days + DURATION);
        assertEq(access.creditOf(payee.addr), 0);
    }

    function test_RevertGiven_StillRefundable() public {
        buy(reader);
        uint40 until = held(reader).refundUntil;
        vm.warp(until);
        vm.expectRevert(abi.encodeWithSelector(IAccessToken.AccessToken_StillRefundable.selector, reader.addr, until));
        buy(reader);
    }

    function test_RevertGiven_NotTimed() public {
        offer(Right.READ, meteredOffer());
        vm.expectRevert(abi.encodeWithSelector(IAccessToken.AccessToken_NotOffered.selector, collection, Right.READ));
        buy(reader);
    }

    function test_RevertWhen_PriceIsAboveMaximum() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessToken.AccessToken_PriceAboveMaximum.selector, PRICE, PRICE - 1));
        _buyWithin(PRICE - 1, 0, 0);
    }

    function test_RevertWhen_DurationIsBelowMinimum() public {
        vm.expectRevert(
            abi.encodeWithSelector(IAccessToken.AccessToken_DurationBelowMinimum.selector, DURATION, FOR_EVER)
        );
        _buyWithin(PRICE, FOR_EVER, 0);
    }

    function test_RevertWhen_RefundWindowIsBelowMinimum() public {
        vm.expectRevert(
            abi.encodeWithSelector(IAccessToken.AccessToken_RefundWindowBelowMinimum.selector, WINDOW, WINDOW + 1)
        );
        _buyWithin(PRICE, 0, WINDOW + 1);
    }

    function test_RevertGiven_Denied() public {
        deny(reader, true);
        expectDenied(reader.addr);
        buy(reader);
        deny(reader, false);
        buy(reader);
        assertEq(balance(reader), 1);
    }

    function test_RevertGiven_Retired() public {
        buy(user);
        retire();
        expectRetired();
        buy(reader);
        assertTrue(reads(user), "existing rights stay");
    }

    function test_RevertGiven_NoAllowance() public {
        approve(reader, PRICE - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(access), PRICE - 1, PRICE)
        );
        buy(reader);
    }

    function test_RevertGiven_TokenAnswersFalse() public {
        UnreliableToken unreliable = new UnreliableToken();
        AccessToken other = new AccessToken(unreliable, collections, address(forwarder));
        unreliable.mint(reader.addr, FUNDS);
        unreliable.setMode(reader.addr, UnreliableToken.Mode.ANSWERS_FALSE);
        vm.prank(publisher.addr);
        other.setOffer(collection, Right.READ, timedOffer());
        vm.startPrank(reader.addr);
        unreliable.approve(address(other), type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(unreliable)));
        other.buy(collection, Right.READ, anyTerms);
    }

    // ---------------------------------------------------------------- buyWithPermit

    function test_BuyWithPermit() public {
        approve(reader, 0);
        (uint8 v, bytes32 r, bytes32 s) = signPermit(reader, address(access), PRICE, block.timestamp);
        vm.prank(reader.addr);
        access.buyWithPermit(collection, Right.READ, BuyLimits(PRICE, 0, 0), block.timestamp, v, r, s);
        assertEq(balance(reader), 1);
        assertEq(token.allowance(reader.addr, address(access)), 0);
    }

    function test_BuyWithPermitThroughForwarder() public {
        approve(reader, 0);
        (uint8 v, bytes32 r, bytes32 s) = signPermit(reader, address(access), PRICE, block.timestamp);
        bytes memory call = abi.encodeCall(
            access.buyWithPermit, (collection, Right.READ, BuyLimits(PRICE, 0, 0), block.timestamp, v, r, s)
        );
        forward(reader, address(access), call);
        assertEq(balance(reader), 1);
    }

    function test_BuyWithPermitThatLandedAlready() public {
        approve(reader, 0);
        (uint8 v, bytes32 r, bytes32 s) = signPermit(reader, address(access), PRICE, block.timestamp);
        vm.prank(stranger.addr);
        token.permit(reader.addr, address(access), PRICE, block.timestamp, v, r, s);
        vm.prank(reader.addr);
        access.buyWithPermit(collection, Right.READ, BuyLimits(PRICE, 0, 0), block.timestamp, v, r, s);
        assertEq(balance(reader), 1);
    }

    function test_RevertWhen_PermitIsExpired() public {
        approve(reader, 0);
        uint256 deadline = block.timestamp - 1;
        (uint8 v, bytes32 r, bytes32 s) = signPermit(reader, address(access), PRICE, deadline);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(access), 0, PRICE)
        );
        vm.prank(reader.addr);
        access.buyWithPermit(collection, Right.READ, BuyLimits(PRICE, 0, 0), deadline, v, r, s);
    }

    // ---------------------------------------------------------------- buyWithAuthorization

    function _authorization(uint128 maxPrice) private view returns (BuyAuthorization memory purchase) {
        purchase = BuyAuthorization({
            buyer: reader.addr,
            collection: collection,
            right: Right.READ,
            limits: BuyLimits(maxPrice, DURATION, WINDOW),
            validAfter: 0,
            validBefore: block.timestamp + 1,
            salt: bytes32("salt")
        });
    }

    function _sign(BuyAuthorization memory purchase) private view returns (bytes memory) {
        bytes32 nonce =
            access.buyNonceOf(purchase.buyer, purchase.collection, purchase.right, purchase.limits, purchase.salt);
        return signReceive(
            reader, address(access), purchase.limits.maxPrice, purchase.validAfter, purchase.validBefore, nonce
        );
    }

    function _land(BuyAuthorization memory purchase, bytes memory signature) private {
        vm.prank(relayer.addr);
        access.buyWithAuthorization(purchase, signature);
    }

    function test_BuyWithAuthorization() public {
        approve(reader, 0);
        BuyAuthorization memory purchase = _authorization(PRICE);
        bytes memory signature = _sign(purchase);
        expectMint(relayer.addr, reader.addr, Right.READ);
        _land(purchase, signature);
        assertEq(balance(reader), 1);
        assertEq(token.balanceOf(reader.addr), FUNDS - PRICE);
        assertEq(token.balanceOf(address(access)), PRICE);
    }

    function test_BuyWithAuthorizationCreditsTheChange() public {
        BuyAuthorization memory purchase = _authorization(PRICE + 7);
        bytes memory signature = _sign(purchase);
        vm.expectEmit(address(access));
        emit IAccessToken.ChangeCredited(reader.addr, 7);
        _land(purchase, signature);
        assertEq(access.creditOf(reader.addr), 7);
        vm.prank(reader.addr);
        access.withdraw(reader.addr);
        assertEq(token.balanceOf(reader.addr), FUNDS - PRICE);
    }

    function test_BuyWithAuthorizationByContractAccount() public {
        ContractAccount account = new ContractAccount(reader.addr);
        token.mint(address(account), PRICE);
        BuyAuthorization memory purchase = _authorization(PRICE);
        purchase.buyer = address(account);
        bytes32 nonce =
            access.buyNonceOf(purchase.buyer, purchase.collection, purchase.right, purchase.limits, purchase.salt);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
                ),
                purchase.buyer,
                address(access),
                uint256(PRICE),
                purchase.validAfter,
                purchase.validBefore,
                nonce
            )
        );
        _land(purchase, sign(reader, address(token), structHash));
        assertTrue(access.hasAccess(collection, address(account), Right.READ));
    }

    function test_BuyNonceIsTheDocumentedHash() public view {
        BuyAuthorization memory purchase = _authorization(PRICE);
        bytes32 typehash = keccak256(
            "Buy(uint256 chainId,address accessToken,address buyer,bytes32 collection,uint8 right,uint128 maxPrice,uint40 minDuration,uint40 minRefundWindow,bytes32 salt)"
        );
        bytes32 expected = keccak256(
            abi.encode(
                typehash,
                block.chainid,
                address(access),
                reader.addr,
                collection,
                uint8(Right.READ),
                PRICE,
                DURATION,
                WINDOW,
                purchase.salt
            )
        );
        assertEq(access.buyNonceOf(reader.addr, collection, Right.READ, purchase.limits, purchase.salt), expected);
    }

    function test_RevertWhen_AuthorizationIsForOtherTerms() public {
        BuyAuthorization memory purchase = _authorization(PRICE);
        bytes memory signature = _sign(purchase);
        purchase.limits.minRefundWindow = 0;
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        _land(purchase, signature);
    }

    function test_RevertWhen_AuthorizationIsReplayed() public {
        BuyAuthorization memory purchase = _authorization(PRICE);
        purchase.validBefore = type(uint256).max;
        bytes memory signature = _sign(purchase);
        _land(purchase, signature);
        vm.warp(block.timestamp + DURATION);
        bytes32 nonce =
            access.buyNonceOf(purchase.buyer, purchase.collection, purchase.right, purchase.limits, purchase.salt);
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, reader.addr, nonce));
        _land(purchase, signature);
    }

    function test_RevertWhen_AuthorizationIsExpired() public {
        BuyAuthorization memory purchase = _authorization(PRICE);
        bytes memory signature = _sign(purchase);
        vm.warp(purchase.validBefore);
        vm.expectRevert(
            abi.encodeWithSelector(ERC3009.ERC3009InvalidAuthorizationTime.selector, 0, purchase.validBefore)
        );
        _land(purchase, signature);
    }

    function test_RevertWhen_AuthorizationIsForAnotherContract() public {
        BuyAuthorization memory purchase = _authorization(PRICE);
        bytes memory signature = _sign(purchase);
        AccessToken other = new AccessToken(token, collections, address(forwarder));
        vm.prank(publisher.addr);
        other.setOffer(collection, Right.READ, timedOffer());
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        other.buyWithAuthorization(purchase, signature);
    }

    function test_RevertWhen_AuthorizationIsForAnotherChain() public {
        BuyAuthorization memory purchase = _authorization(PRICE);
        bytes memory signature = _sign(purchase);
        vm.chainId(block.chainid + 1);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        _land(purchase, signature);
    }
}
