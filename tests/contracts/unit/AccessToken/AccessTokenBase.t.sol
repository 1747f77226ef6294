// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessPolicy} from "offsetdata/interfaces/IAccessPolicy.sol";
import {IAccessToken} from "offsetdata/interfaces/IAccessToken.sol";
import {Access, AccessUse, BuyLimits, Offer, Right} from "offsetdata/types/Access.sol";
import {CollectionId} from "offsetdata/types/Ids.sol";

import {Base} from "../../Base.t.sol";

/// @notice An access token over one registered collection, and what most of its tests do.
abstract contract AccessTokenBase is Base {
    uint128 internal constant PRICE = 90e6;
    uint40 internal constant DURATION = 30 days;
    uint40 internal constant WINDOW = 2 days;
    uint128 internal constant RECORD_PRICE = 250;
    CollectionId internal constant NOBODYS = CollectionId.wrap(keccak256("nobody's"));

    CollectionId internal collection;
    Account internal payee;
    BuyLimits internal anyTerms = BuyLimits({maxPrice: type(uint128).max, minDuration: 0, minRefundWindow: 0});

    function setUp() public virtual override {
        super.setUp();
        payee = makeAccount("payee");
        collection = registerCollection("one");
        approve(reader, type(uint256).max);
        approve(user, type(uint256).max);
    }

    // ---------------------------------------------------------------- offers

    function timedOffer() internal view returns (Offer memory) {
        return Offer({
            price: PRICE,
            pricePerRecord: 0,
            payee: payee.addr,
            duration: DURATION,
            refundWindow: WINDOW,
            timed: true,
            metered: false,
            policy: IAccessPolicy(address(0))
        });
    }

    function meteredOffer() internal view returns (Offer memory) {
        return Offer({
            price: 0,
            pricePerRecord: RECORD_PRICE,
            payee: payee.addr,
            duration: 0,
            refundWindow: 0,
            timed: false,
            metered: true,
            policy: IAccessPolicy(address(0))
        });
    }

    function offer(Right right, Offer memory terms) internal {
        vm.prank(publisher.addr);
        access.setOffer(collection, right, terms);
    }

    // ---------------------------------------------------------------- what people do

    function approve(Account memory account, uint256 amount) internal {
        vm.prank(account.addr);
        token.approve(address(access), amount);
    }

    function buy(Account memory buyer) internal {
        vm.prank(buyer.addr);
        access.buy(collection, Right.READ, anyTerms);
    }

    function grant(Account memory holder, uint40 expiry) internal {
        vm.prank(publisher.addr);
        access.grant(collection, Right.READ, one(holder.addr), expiry);
    }

    function revoke(Account memory holder) internal {
        vm.prank(publisher.addr);
        access.revoke(collection, Right.READ, one(holder.addr));
    }

    function deny(Account memory account, bool denied) internal {
        vm.prank(publisher.addr);
        access.setDenied(collection, one(account.addr), denied);
    }

    function retire() internal {
        vm.prank(publisher.addr);
        collections.retire(collection);
    }

    /// @dev The holder's signed word of use for its present purchase.
    function useOf(Account memory holder) internal view returns (AccessUse memory use, bytes memory signature) {
        use = AccessUse({collection: collection, right: Right.READ, holder: holder.addr, since: held(holder).since});
        signature = sign(holder, address(access), useHash(use));
    }

    function useHash(AccessUse memory use) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("AccessUsed(bytes32 collection,uint8 right,address holder,uint40 since)"),
                use.collection,
                uint8(use.right),
                use.holder,
                use.since
            )
        );
    }

    // ---------------------------------------------------------------- what they see

    function held(Account memory holder) internal view returns (Access memory) {
        return access.accessOf(collection, Right.READ, holder.addr);
    }

    function balance(Account memory holder) internal view returns (uint256) {
        return access.balanceOf(holder.addr, access.tokenIdOf(collection, Right.READ));
    }

    function reads(Account memory account) internal view returns (bool) {
        return access.hasAccess(collection, account.addr, Right.READ);
    }

    function one(address account) internal pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = account;
    }

    // ---------------------------------------------------------------- expectations

    function expectMint(address operator, address holder, Right right) internal {
        uint256 id = access.tokenIdOf(collection, right);
        vm.expectEmit(address(access));
        emit IERC1155Events.TransferSingle(operator, address(0), holder, id, 1);
    }

    function expectBurn(address operator, address holder, Right right) internal {
        uint256 id = access.tokenIdOf(collection, right);
        vm.expectEmit(address(access));
        emit IERC1155Events.TransferSingle(operator, holder, address(0), id, 1);
    }

    function expectNotPublisher(address caller) internal {
        vm.expectRevert(abi.encodeWithSelector(IAccessToken.AccessToken_NotPublisher.selector, caller, publisher.addr));
    }

    function expectRetired() internal {
        vm.expectRevert(abi.encodeWithSelector(IAccessToken.AccessToken_CollectionRetired.selector, collection));
    }

    function expectDenied(address account) internal {
        vm.expectRevert(abi.encodeWithSelector(IAccessToken.AccessToken_Denied.selector, collection, account));
    }
}

interface IERC1155Events {
    event TransferSingle(address indexed operator, address indexed from, address indexed to, uint256 id, uint256 value);
}
