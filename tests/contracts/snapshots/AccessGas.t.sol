// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AllowListPolicy} from "offsetdata/policies/AllowListPolicy.sol";
import {AccessUse, BuyAuthorization, BuyLimits, FOR_EVER, Offer, Right} from "offsetdata/types/Access.sol";

import {AccessTokenBase} from "../unit/AccessToken/AccessTokenBase.t.sol";

/// @notice Gas of what readers pay as transactions of their own, calldata included: FOUNDRY_PROFILE=optimized.
/// Ceilings are those of the design; under the fast profile nothing is measured.
contract AccessGasTest is AccessTokenBase {
    BuyLimits private limits = BuyLimits({maxPrice: PRICE, minDuration: DURATION, minRefundWindow: 0});

    modifier measured() {
        if (keccak256(bytes(vm.envOr("FOUNDRY_PROFILE", string("default")))) != keccak256("optimized")) {
            vm.skip(true, "gas is measured in the optimized profile");
        }
        _;
    }

    function setUp() public override {
        super.setUp();
        approve(reader, type(uint128).max);
        approve(user, type(uint128).max);
    }

    /// @dev Contract and payee have had money before, as in daily life.
    function _warm(uint40 window) private {
        _offer(window);
        vm.prank(user.addr);
        access.buy(collection, Right.READ, limits);
        if (window == 0) return;
        vm.prank(user.addr);
        access.buy(collection, Right.TRAIN, limits);
    }

    function _offer(uint40 window) private {
        Offer memory terms = timedOffer();
        terms.refundWindow = window;
        offer(Right.READ, terms);
        offer(Right.TRAIN, terms);
    }

    function _buy() private {
        vm.prank(reader.addr);
        access.buy(collection, Right.READ, limits);
    }

    // ---------------------------------------------------------------- buy

    function test_Buy() external measured {
        _warm(0);
        _buy();
        assertLe(vm.snapshotGasLastCall("AccessToken", "buy"), 118_000);
    }

    function test_BuyFirstOfPayee() external measured {
        _offer(0);
        _buy();
        assertLe(vm.snapshotGasLastCall("AccessToken", "buyFirst"), 135_000);
    }

    function test_BuyRefundable() external measured {
        _warm(WINDOW);
        _buy();
        assertLe(vm.snapshotGasLastCall("AccessToken", "buyRefundable"), 118_000);
    }

    function test_BuyGated() external measured {
        AllowListPolicy list = new AllowListPolicy(collections, address(forwarder));
        vm.prank(publisher.addr);
        list.setAllowed(collection, Right.READ, one(reader.addr), true);
        _warm(WINDOW);
        Offer memory terms = timedOffer();
        terms.policy = list;
        offer(Right.READ, terms);
        _buy();
        vm.snapshotGasLastCall("AccessToken", "buyGated");
    }

    function test_BuyRenew() external measured {
        _warm(0);
        _buy();
        _buy();
        vm.snapshotGasLastCall("AccessToken", "buyRenew");
    }

    /// @dev A second permit of the same account: its nonce is not zero any more.
    function _permit() private returns (uint8 v, bytes32 r, bytes32 s) {
        (v, r, s) = signPermit(reader, stranger.addr, 1, block.timestamp);
        token.permit(reader.addr, stranger.addr, 1, block.timestamp, v, r, s);
        approve(reader, 0);
        (v, r, s) = signPermit(reader, address(access), PRICE, block.timestamp);
    }

    function test_BuyWithPermit() external measured {
        _warm(WINDOW);
        (uint8 v, bytes32 r, bytes32 s) = _permit();
        vm.prank(reader.addr);
        access.buyWithPermit(collection, Right.READ, limits, block.timestamp, v, r, s);
        assertLe(vm.snapshotGasLastCall("AccessToken", "buyPermit"), 140_000);
    }

    function test_BuyWithPermitThroughForwarder() external measured {
        _warm(WINDOW);
        (uint8 v, bytes32 r, bytes32 s) = _permit();
        bytes memory call =
            abi.encodeCall(access.buyWithPermit, (collection, Right.READ, limits, block.timestamp, v, r, s));
        forward(reader, address(access), call);
        assertLe(vm.snapshotGasLastCall("AccessToken", "buyPermitForwardedFirst"), 200_000);
        // From the second time on the forwarder's nonce is not zero any more.
        vm.prank(reader.addr);
        access.refund(collection, Right.READ);
        (v, r, s) = signPermit(reader, address(access), PRICE, block.timestamp);
        call = abi.encodeCall(access.buyWithPermit, (collection, Right.TRAIN, limits, block.timestamp, v, r, s));
        forward(reader, address(access), call);
        assertLe(vm.snapshotGasLastCall("AccessToken", "buyPermitForwarded"), 180_000);
    }

    function test_BuyWithAuthorization() external measured {
        _warm(WINDOW);
        BuyAuthorization memory purchase =
            BuyAuthorization(reader.addr, collection, Right.READ, limits, 0, block.timestamp + 1, "salt");
        bytes32 nonce = access.buyNonceOf(reader.addr, collection, Right.READ, limits, "salt");
        bytes memory signature = signReceive(reader, address(access), PRICE, 0, block.timestamp + 1, nonce);
        vm.prank(relayer.addr);
        access.buyWithAuthorization(purchase, signature);
        vm.snapshotGasLastCall("AccessToken", "buyAuthorization");
    }

    // ---------------------------------------------------------------- settle a purchase

    function test_LandUse() external measured {
        _warm(WINDOW);
        _buy();
        (AccessUse memory use, bytes memory signature) = useOf(user);
        access.landUse(use, signature);
        vm.snapshotGasLastCall("AccessToken", "landUseFirst");
        (use, signature) = useOf(reader);
        access.landUse(use, signature);
        vm.snapshotGasLastCall("AccessToken", "landUse");
    }

    function test_Refund() external measured {
        _warm(WINDOW);
        _buy();
        vm.prank(reader.addr);
        access.refund(collection, Right.READ);
        vm.snapshotGasLastCall("AccessToken", "refund");
    }

    // ---------------------------------------------------------------- grant and ask

    function test_Grant() external measured {
        grant(reader, FOR_EVER);
        vm.snapshotGasLastCall("AccessToken", "grant");
        revoke(reader);
        vm.snapshotGasLastCall("AccessToken", "revoke");
        deny(reader, true);
        vm.snapshotGasLastCall("AccessToken", "deny");
    }

    function test_TrainingTerms() external measured {
        // Inside a call, as the coordinator asks: the figure holds no transaction and no calldata.
        offer(Right.TRAIN, meteredOffer());
        access.trainingTerms(collection, user.addr);
        vm.snapshotGasLastCall("AccessToken", "trainingTermsMetered");
        vm.prank(publisher.addr);
        access.grant(collection, Right.TRAIN, one(user.addr), FOR_EVER);
        access.trainingTerms(collection, user.addr);
        vm.snapshotGasLastCall("AccessToken", "trainingTermsHeld");
    }
}
