// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IUsageBilling} from "offsetdata/interfaces/IUsageBilling.sol";
import {RegisteredTerms, SHARES_TOTAL, Share} from "offsetdata/types/Billing.sol";
import {CollectionTerms} from "offsetdata/types/Collection.sol";
import {CollectionId} from "offsetdata/types/Ids.sol";

import {MerkleReference} from "../../mocks/MerkleReference.sol";
import {BillingBase} from "./BillingBase.t.sol";

contract RevenueTest is BillingBase {
    Share[] private shares;
    bytes32[] private leaves;
    CollectionId private shared;

    function setUp() public override {
        super.setUp();
        approve(reader, 1_000_000);
        _share(publisher.addr, 500_000_000);
        _share(contributor.addr, 300_000_000);
        _share(developer.addr, 200_000_000);
        shared = _register();
    }

    // ---------------------------------------------------------------- collect

    function test_GivenNoShares_ItIsCreditedToThePayee() external {
        billing.settle(readerVoucher(600));
        vm.expectEmit(address(billing));
        emit IUsageBilling.RevenueCollected(collection, publisher.addr, 600, false);
        vm.prank(stranger.addr);
        assertEq(billing.collectRevenue(publisher.addr, _list(termsOf("billing"))), 600);
        assertEq(billing.creditOf(publisher.addr), 600);
        assertEq(billing.revenueOf(collection, publisher.addr), 0);
        assertEq(billing.collectRevenue(publisher.addr, _list(termsOf("billing"))), 0);
    }

    function test_GivenShares_ItGoesToThePool() external {
        _earn(600);
        vm.expectEmit(address(billing));
        emit IUsageBilling.RevenueCollected(shared, publisher.addr, 600, true);
        assertEq(billing.collectRevenue(publisher.addr, _list(_terms())), 0);
        assertEq(billing.creditOf(publisher.addr), 0);
        assertEq(billing.poolOf(shared).total, 600);
    }

    function test_GivenFalseTerms_NothingIsCollected() external {
        _earn(600);
        CollectionTerms memory terms = _terms();
        terms.sharesRoot = 0;
        assertEq(billing.collectRevenue(publisher.addr, _list(terms)), 0);
        assertEq(billing.revenueOf(shared, publisher.addr), 600);
    }

    function test_GivenSeveralCollections_ItCollectsAll() external {
        billing.settle(readerVoucher(600));
        _earn(400);
        RegisteredTerms[] memory list = new RegisteredTerms[](2);
        list[0] = RegisteredTerms(publisher.addr, termsOf("billing"));
        list[1] = RegisteredTerms(publisher.addr, _terms());
        assertEq(billing.collectRevenue(publisher.addr, list), 600);
        assertEq(billing.poolOf(shared).total, 400);
    }

    // ---------------------------------------------------------------- claim

    function test_WhenClaimed_EachGetsItsPart() external {
        _pool(1000);
        vm.expectEmit(address(billing));
        emit IUsageBilling.ShareClaimed(shared, contributor.addr, 300_000_000, 300);
        vm.prank(stranger.addr);
        assertEq(_claim(1), 300);
        assertEq(_claim(0), 500);
        assertEq(_claim(2), 200);
        assertEq(billing.creditOf(contributor.addr), 300);
        assertEq(billing.claimedOf(shared, contributor.addr), 300);
        assertEq(billing.poolOf(shared).claimed, 1000);
    }

    function test_GivenClaimed_WhenMoreComesIn_ItClaimsTheRest() external {
        _pool(1000);
        _claim(1);
        _pool(3000);
        assertEq(_claim(1), 600);
    }

    function test_RevertWhen_ClaimedTwice() external {
        _pool(1000);
        _claim(1);
        vm.expectRevert(
            abi.encodeWithSelector(IUsageBilling.UsageBilling_NothingToClaim.selector, shared, contributor.addr)
        );
        this.claim(1, 1, 3);
    }

    function test_RevertWhen_ThePoolIsEmpty() external {
        vm.expectRevert(
            abi.encodeWithSelector(IUsageBilling.UsageBilling_NothingToClaim.selector, shared, contributor.addr)
        );
        this.claim(1, 1, 3);
    }

    function test_RevertWhen_ThePartIsNotTheLeafs() external {
        _pool(1000);
        shares[1].parts += 1;
        _expectInvalidProof(1, 1, 3);
    }

    function test_RevertWhen_ThePositionIsWrong() external {
        _pool(1000);
        _expectInvalidProof(1, 0, 3);
        _expectInvalidProof(1, 1, 1);
    }

    function test_RevertGiven_NoShares() external {
        CollectionTerms memory terms = termsOf("billing");
        vm.expectRevert(abi.encodeWithSelector(IUsageBilling.UsageBilling_NotShared.selector, collection));
        billing.claimShare(RegisteredTerms(publisher.addr, terms), shares[0], 0, 1, new bytes32[](0));
    }

    function test_GivenTreeThatPromisesTooMuch_ItPaysNoMoreThanThePool() external {
        delete shares;
        delete leaves;
        _share(publisher.addr, SHARES_TOTAL);
        _share(contributor.addr, SHARES_TOTAL / 2);
        shared = _register();
        // Another collection's money lies in the same contract.
        deposit(user, 10_000);
        _pool(1000);
        assertEq(_claim(1), 500);
        assertEq(_claim(0), 500);
        assertEq(billing.poolOf(shared).claimed, 1000);
        vm.expectRevert(
            abi.encodeWithSelector(IUsageBilling.UsageBilling_NothingToClaim.selector, shared, publisher.addr)
        );
        this.claim(0, 0, 2);
    }

    /// @dev From outside, so that a revert is that of the contract under test.
    function claim(uint256 leaf, uint256 index, uint256 count) public returns (uint256) {
        RegisteredTerms memory registered = RegisteredTerms(publisher.addr, _terms());
        bytes32[] memory proof = MerkleReference.path(leaves, leaf);
        return billing.claimShare(registered, shares[leaf], index, count, proof);
    }

    // ---------------------------------------------------------------- helpers

    function _claim(uint256 leaf) private returns (uint256) {
        return claim(leaf, leaf, leaves.length);
    }

    function _expectInvalidProof(uint256 leaf, uint256 index, uint256 count) private {
        vm.expectRevert(
            abi.encodeWithSelector(IUsageBilling.UsageBilling_InvalidShareProof.selector, shared, shares[leaf].account)
        );
        this.claim(leaf, index, count);
    }

    function _share(address account, uint32 parts) private {
        shares.push(Share(account, parts));
        leaves.push(MerkleReference.leaf(abi.encodePacked("offsetdata.share", account, parts)));
    }

    function _terms() private view returns (CollectionTerms memory terms) {
        terms = termsOf("shared");
        terms.sharesRoot = MerkleReference.root(leaves);
    }

    function _register() private returns (CollectionId) {
        CollectionTerms memory terms = _terms();
        vm.prank(publisher.addr);
        return collections.register(terms);
    }

    /// @dev Brings the lane's total for the shared collection up to `amount`.
    function _earn(uint128 amount) private {
        CollectionId plain = collection;
        collection = shared;
        billing.settle(readerVoucher(amount));
        collection = plain;
    }

    function _pool(uint128 total) private {
        _earn(total);
        billing.collectRevenue(publisher.addr, _list(_terms()));
    }

    function _list(CollectionTerms memory terms) private view returns (RegisteredTerms[] memory list) {
        list = new RegisteredTerms[](1);
        list[0] = RegisteredTerms(publisher.addr, terms);
    }
}
