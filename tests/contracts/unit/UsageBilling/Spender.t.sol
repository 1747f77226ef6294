// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IUsageBilling} from "offsetdata/interfaces/IUsageBilling.sol";
import {Signatures} from "offsetdata/libraries/Signatures.sol";
import {SignedVoucher, SpenderAuthorization} from "offsetdata/types/Billing.sol";

import {BillingBase} from "./BillingBase.t.sol";

contract SpenderTest is BillingBase {
    function setUp() public override {
        super.setUp();
        approve(reader, 10_000);
    }

    function test_WhenAuthorizedByAnyone_ItIsKept() external {
        SpenderAuthorization memory authorization = authorizationOf(1000, 0);
        bytes memory signature = sign(reader, billing.spenderAuthorizationDigest(authorization));
        vm.expectEmit(address(billing));
        emit IUsageBilling.SpenderAuthorized(reader.addr, spender.addr, 1000, authorization.expiry, 0);
        vm.prank(stranger.addr);
        billing.authorizeSpender(authorization, signature);
        assertEq(spenderState().cap, 1000);
        assertEq(spenderState().spent, 0);
        assertEq(spenderState().expiry, authorization.expiry);
        assertEq(spenderState().nonce, 1);
    }

    function test_GivenAuthorized_ItsVouchersPay_OverAllLanes() external {
        authorize(1000);
        assertEq(billing.settle(signed(spender, voucherOf(reader, 0, 600))), 600);
        assertEq(billing.settle(signed(spender, voucherOf(reader, 1, 400))), 400);
        assertEq(spenderState().spent, 1000);
        SignedVoucher memory item = signed(spender, voucherOf(reader, 2, 1));
        vm.expectRevert(abi.encodeWithSelector(IUsageBilling.UsageBilling_CapExceeded.selector, 1, 0));
        billing.settle(item);
    }

    function test_GivenSpent_ThePayerItselfIsNotCapped() external {
        authorize(100);
        billing.settle(signed(spender, voucherOf(reader, 0, 100)));
        assertEq(billing.settle(readerVoucher(5000)), 4900);
        assertEq(spenderState().spent, 100);
    }

    function test_GivenSpent_ANewAuthorizationCountsAnew() external {
        authorize(100);
        billing.settle(signed(spender, voucherOf(reader, 0, 100)));
        authorize(50);
        assertEq(billing.settle(signed(spender, voucherOf(reader, 0, 150))), 50);
    }

    function test_RevertWhen_MoreThanTheCapIsDue() external {
        authorize(500);
        SignedVoucher memory item = signed(spender, voucherOf(reader, 0, 501));
        vm.expectRevert(abi.encodeWithSelector(IUsageBilling.UsageBilling_CapExceeded.selector, 501, 500));
        billing.settle(item);
    }

    function test_RevertGiven_NotAuthorized() external {
        _expectNotAuthorized(signed(spender, voucherOf(reader, 0, 100)), 0);
    }

    function test_RevertGiven_AuthorizedByAnotherPayer() external {
        authorize(1000);
        SignedVoucher memory item = signed(spender, voucherOf(user, 0, 100));
        vm.expectRevert(
            abi.encodeWithSelector(IUsageBilling.UsageBilling_SpenderNotAuthorized.selector, user.addr, spender.addr, 0)
        );
        billing.settle(item);
    }

    function test_RevertGiven_AuthorizationOver() external {
        authorize(1000);
        uint40 expiry = spenderState().expiry;
        SignedVoucher memory item = signed(spender, voucherOf(reader, 0, 100));
        vm.warp(expiry);
        _expectNotAuthorized(item, expiry);
    }

    function test_RevertGiven_Revoked() external {
        authorize(1000);
        SignedVoucher memory item = signed(spender, voucherOf(reader, 0, 100));
        vm.expectEmit(address(billing));
        emit IUsageBilling.SpenderRevoked(reader.addr, spender.addr, 2);
        vm.prank(reader.addr);
        billing.revokeSpender(spender.addr);
        _expectNotAuthorized(item, 0);
    }

    function test_WhenRevokedThroughTheForwarder() external {
        authorize(1000);
        forward(reader, address(billing), abi.encodeCall(billing.revokeSpender, (spender.addr)));
        assertEq(spenderState().expiry, 0);
    }

    function test_RevertWhen_AuthorizationIsReplayed() external {
        SpenderAuthorization memory authorization = authorizationOf(1000, 0);
        bytes memory signature = sign(reader, billing.spenderAuthorizationDigest(authorization));
        billing.authorizeSpender(authorization, signature);
        vm.expectRevert(abi.encodeWithSelector(IUsageBilling.UsageBilling_WrongNonce.selector, 0, 1));
        billing.authorizeSpender(authorization, signature);
    }

    function test_RevertWhen_AuthorizationWasRevokedBeforeItLanded() external {
        SpenderAuthorization memory authorization = authorizationOf(1000, 0);
        bytes memory signature = sign(reader, billing.spenderAuthorizationDigest(authorization));
        vm.prank(reader.addr);
        billing.revokeSpender(spender.addr);
        vm.expectRevert(abi.encodeWithSelector(IUsageBilling.UsageBilling_WrongNonce.selector, 0, 1));
        billing.authorizeSpender(authorization, signature);
    }

    function test_RevertWhen_AuthorizationIsOverWhenItLands() external {
        SpenderAuthorization memory authorization = authorizationOf(1000, 0);
        bytes memory signature = sign(reader, billing.spenderAuthorizationDigest(authorization));
        vm.warp(authorization.expiry);
        vm.expectRevert(
            abi.encodeWithSelector(
                IUsageBilling.UsageBilling_AuthorizationExpired.selector, authorization.expiry, block.timestamp
            )
        );
        billing.authorizeSpender(authorization, signature);
    }

    function test_RevertWhen_AuthorizationIsNotSignedByThePayer() external {
        SpenderAuthorization memory authorization = authorizationOf(1000, 0);
        bytes memory signature = sign(spender, billing.spenderAuthorizationDigest(authorization));
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, reader.addr));
        billing.authorizeSpender(authorization, signature);
    }

    function test_RevertWhen_AuthorizationIsMalleable() external {
        SpenderAuthorization memory authorization = authorizationOf(1000, 0);
        (bytes memory signature, bytes32 high) =
            malleable(sign(reader, billing.spenderAuthorizationDigest(authorization)));
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_MalleableSignature.selector, high));
        billing.authorizeSpender(authorization, signature);
    }

    function test_SpenderAuthorizationDigest_IsThatOfItsDomain() external view {
        SpenderAuthorization memory authorization = authorizationOf(7, 3);
        bytes32 typehash =
            keccak256("SpenderAuthorization(address payer,address spender,uint96 cap,uint40 expiry,uint24 nonce)");
        assertEq(
            billing.spenderAuthorizationDigest(authorization),
            digestOf(address(billing), keccak256(abi.encode(typehash, authorization)))
        );
    }

    function _expectNotAuthorized(SignedVoucher memory item, uint40 expiry) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IUsageBilling.UsageBilling_SpenderNotAuthorized.selector, reader.addr, spender.addr, expiry
            )
        );
        billing.settle(item);
    }
}
