// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessPolicy} from "offsetdata/interfaces/IAccessPolicy.sol";
import {IAccessToken} from "offsetdata/interfaces/IAccessToken.sol";
import {Offer, Right} from "offsetdata/types/Access.sol";

import {AccessTokenBase} from "./AccessTokenBase.t.sol";

contract OfferTest is AccessTokenBase {
    function _expectInvalid(Offer memory terms) private {
        vm.expectRevert(IAccessToken.AccessToken_InvalidOffer.selector);
        offer(Right.READ, terms);
    }

    // ---------------------------------------------------------------- setOffer

    function test_SetOffer() public {
        Offer memory terms = timedOffer();
        terms.metered = true;
        terms.pricePerRecord = RECORD_PRICE;
        terms.policy = IAccessPolicy(stranger.addr);
        vm.expectEmit(address(access));
        emit IAccessToken.OfferSet(collection, Right.READ, terms);
        offer(Right.READ, terms);
        assertEq(abi.encode(access.offerOf(collection, Right.READ)), abi.encode(terms));
        assertEq(access.offerOf(collection, Right.TRAIN).payee, address(0));
    }

    function test_SetOfferReplaces() public {
        Offer memory terms = timedOffer();
        terms.policy = IAccessPolicy(stranger.addr);
        offer(Right.READ, terms);
        offer(Right.READ, meteredOffer());
        assertEq(abi.encode(access.offerOf(collection, Right.READ)), abi.encode(meteredOffer()));
    }

    function test_SetFreeOffer() public {
        Offer memory terms = timedOffer();
        terms.price = 0;
        terms.refundWindow = 0;
        offer(Right.READ, terms);
        assertEq(access.offerOf(collection, Right.READ).price, 0);
    }

    function test_SetOfferByNextPublisher() public {
        vm.prank(publisher.addr);
        collections.transferPublisher(collection, contributor.addr);
        vm.prank(contributor.addr);
        collections.acceptPublisher(collection);
        vm.prank(contributor.addr);
        access.setOffer(collection, Right.READ, timedOffer());
        vm.expectRevert(
            abi.encodeWithSelector(IAccessToken.AccessToken_NotPublisher.selector, publisher.addr, contributor.addr)
        );
        offer(Right.READ, timedOffer());
    }

    function test_RevertWhen_OfferedByStranger() public {
        Offer memory terms = timedOffer();
        expectNotPublisher(stranger.addr);
        vm.prank(stranger.addr);
        access.setOffer(collection, Right.READ, terms);
    }

    function test_RevertWhen_CollectionIsUnknown() public {
        Offer memory terms = timedOffer();
        vm.expectRevert(
            abi.encodeWithSelector(IAccessToken.AccessToken_NotPublisher.selector, publisher.addr, address(0))
        );
        vm.prank(publisher.addr);
        access.setOffer(NOBODYS, Right.READ, terms);
    }

    function test_RevertGiven_Retired() public {
        retire();
        Offer memory terms = timedOffer();
        expectRetired();
        offer(Right.READ, terms);
    }

    function test_RevertWhen_NeitherTimedNorMetered() public {
        Offer memory terms = timedOffer();
        terms.timed = false;
        terms.price = 0;
        terms.duration = 0;
        terms.refundWindow = 0;
        _expectInvalid(terms);
    }

    function test_RevertWhen_NoPayee() public {
        Offer memory terms = timedOffer();
        terms.payee = address(0);
        _expectInvalid(terms);
    }

    function test_RevertWhen_PriceWithoutItsMode() public {
        Offer memory terms = timedOffer();
        terms.pricePerRecord = 1;
        _expectInvalid(terms);
        terms = meteredOffer();
        terms.price = 1;
        _expectInvalid(terms);
        terms = meteredOffer();
        terms.duration = 1;
        _expectInvalid(terms);
    }

    function test_RevertWhen_RefundWindowWithoutPrice() public {
        Offer memory terms = timedOffer();
        terms.price = 0;
        _expectInvalid(terms);
    }

    function test_RevertWhen_TimesAreTooLong() public {
        Offer memory terms = timedOffer();
        terms.duration = uint40(type(uint32).max) + 1;
        _expectInvalid(terms);
        terms = timedOffer();
        terms.refundWindow = uint40(type(uint32).max) + 1;
        _expectInvalid(terms);
        terms = timedOffer();
        terms.duration = type(uint32).max;
        terms.refundWindow = type(uint32).max;
        offer(Right.READ, terms);
        assertEq(access.offerOf(collection, Right.READ).duration, type(uint32).max);
    }

    // ---------------------------------------------------------------- clearOffer

    function test_ClearOffer() public {
        offer(Right.READ, timedOffer());
        vm.expectEmit(address(access));
        emit IAccessToken.OfferCleared(collection, Right.READ);
        vm.prank(publisher.addr);
        access.clearOffer(collection, Right.READ);
        assertEq(access.offerOf(collection, Right.READ).payee, address(0));
        vm.expectRevert(abi.encodeWithSelector(IAccessToken.AccessToken_NotOffered.selector, collection, Right.READ));
        buy(reader);
    }

    function test_ClearOfferGivenRetired() public {
        offer(Right.READ, timedOffer());
        retire();
        vm.prank(publisher.addr);
        access.clearOffer(collection, Right.READ);
        assertFalse(access.offerOf(collection, Right.READ).timed);
    }

    function test_RevertWhen_ClearedByStranger() public {
        offer(Right.READ, timedOffer());
        expectNotPublisher(stranger.addr);
        vm.prank(stranger.addr);
        access.clearOffer(collection, Right.READ);
    }

    function test_RevertGiven_NoOffer() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessToken.AccessToken_NotOffered.selector, collection, Right.READ));
        vm.prank(publisher.addr);
        access.clearOffer(collection, Right.READ);
    }

    // ---------------------------------------------------------------- setTrainer

    function test_SetTrainer() public {
        vm.expectEmit(address(access));
        emit IAccessToken.TrainerSet(collection, worker.addr, keccak256("code"), true);
        vm.prank(publisher.addr);
        access.setTrainer(collection, worker.addr, keccak256("code"), true);
        assertTrue(access.isTrustedTrainer(collection, worker.addr, keccak256("code")));
        assertFalse(access.isTrustedTrainer(collection, worker.addr, keccak256("other code")));
        assertFalse(access.isTrustedTrainer(collection, stranger.addr, keccak256("code")));
        assertFalse(access.isTrustedTrainer(NOBODYS, worker.addr, keccak256("code")));

        vm.prank(publisher.addr);
        access.setTrainer(collection, worker.addr, keccak256("code"), false);
        assertFalse(access.isTrustedTrainer(collection, worker.addr, keccak256("code")));
    }

    function test_SetTrainerForAnyCode() public {
        vm.prank(publisher.addr);
        access.setTrainer(collection, worker.addr, 0, true);
        assertTrue(access.isTrustedTrainer(collection, worker.addr, keccak256("any code")));
    }

    function test_RevertWhen_TrainerSetByStranger() public {
        expectNotPublisher(stranger.addr);
        vm.prank(stranger.addr);
        access.setTrainer(collection, worker.addr, 0, true);
    }
}
