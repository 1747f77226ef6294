// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AllowListPolicy} from "offsetdata/policies/AllowListPolicy.sol";
import {IBalance, TokenHolderPolicy} from "offsetdata/policies/TokenHolderPolicy.sol";
import {Offer, Right} from "offsetdata/types/Access.sol";

import {AccessTokenBase} from "../AccessToken/AccessTokenBase.t.sol";

contract PoliciesTest is AccessTokenBase {
    AllowListPolicy internal list;

    function setUp() public override {
        super.setUp();
        list = new AllowListPolicy(collections, address(forwarder));
    }

    // ---------------------------------------------------------------- allow list

    function test_AllowList() public {
        Offer memory terms = meteredOffer();
        terms.policy = list;
        offer(Right.READ, terms);
        offer(Right.TRAIN, terms);
        assertFalse(reads(reader));

        vm.expectEmit(address(list));
        emit AllowListPolicy.AllowListed(collection, Right.READ, reader.addr, true);
        vm.prank(publisher.addr);
        list.setAllowed(collection, Right.READ, one(reader.addr), true);
        assertTrue(reads(reader));
        assertFalse(access.hasAccess(collection, reader.addr, Right.TRAIN));
        assertFalse(reads(stranger));
        assertFalse(list.isAdmitted(NOBODYS, Right.READ, reader.addr));

        vm.prank(publisher.addr);
        list.setAllowed(collection, Right.READ, one(reader.addr), false);
        assertFalse(reads(reader));
    }

    function test_AllowListThroughForwarder() public {
        bytes memory call = abi.encodeCall(list.setAllowed, (collection, Right.READ, one(reader.addr), true));
        forward(publisher, address(list), call);
        assertTrue(list.isAdmitted(collection, Right.READ, reader.addr));
    }

    function test_RevertWhen_ListedByStranger() public {
        vm.expectRevert(
            abi.encodeWithSelector(AllowListPolicy.AllowListPolicy_NotPublisher.selector, stranger.addr, publisher.addr)
        );
        vm.prank(stranger.addr);
        list.setAllowed(collection, Right.READ, one(stranger.addr), true);
    }

    // ---------------------------------------------------------------- holder of another token

    function test_TokenHolder() public {
        TokenHolderPolicy policy = new TokenHolderPolicy(IBalance(address(token)), 100);
        Offer memory terms = meteredOffer();
        terms.policy = policy;
        offer(Right.READ, terms);
        assertTrue(reads(reader));
        assertFalse(reads(payee));
        token.mint(payee.addr, 99);
        assertFalse(reads(payee));
        token.mint(payee.addr, 1);
        assertTrue(reads(payee));
    }

    function test_RevertWhen_TermsAreInvalid() public {
        vm.expectRevert(TokenHolderPolicy.TokenHolderPolicy_InvalidTerms.selector);
        new TokenHolderPolicy(IBalance(stranger.addr), 1);
        vm.expectRevert(TokenHolderPolicy.TokenHolderPolicy_InvalidTerms.selector);
        new TokenHolderPolicy(IBalance(address(token)), 0);
    }
}
