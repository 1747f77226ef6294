// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Access, AccessUse, Offer, Right} from "offsetdata/types/Access.sol";

import {AccessTokenBase} from "../unit/AccessToken/AccessTokenBase.t.sol";

/// @notice Any history of purchases, uses, refunds, revocations, grants, denials and withdrawals: what the access
/// token holds is what it owes, to the wei, after every step.
contract AccessMoneyTest is AccessTokenBase {
    uint256 private constant STEPS = 24;

    address[] private _parties;
    Account[] private _buyers;

    function setUp() public override {
        super.setUp();
        _buyers.push(reader);
        _buyers.push(user);
        approve(publisher, type(uint256).max);
        _parties = [reader.addr, user.addr, publisher.addr, payee.addr];
    }

    function testFuzz_HoldsWhatItOwes(uint256 seed, uint128 price, uint40 duration, uint40 window) public {
        uint256 moved = 0;
        for (uint256 step = 0; step < STEPS; ++step) {
            seed = uint256(keccak256(abi.encode(seed, step)));
            if (step % 6 == 0) {
                _offer(price ^ uint128(seed), duration ^ uint40(seed >> 8), window ^ uint40(seed >> 16));
            }
            vm.warp(block.timestamp + (seed >> 32) % 5 days);
            if (_step(seed % 9, _buyers[(seed >> 64) % 2])) ++moved;
            _check();
        }
        // Whatever was refused, the first grant or purchase of a history never is.
        assertGt(moved, 0);

        // In the end everyone gets what is owed, and nothing stays.
        vm.warp(block.timestamp + 100 days);
        address[] memory holders = new address[](2);
        (holders[0], holders[1]) = (reader.addr, user.addr);
        access.release(collection, Right.READ, holders);
        for (uint256 i = 0; i < _parties.length; ++i) {
            if (access.creditOf(_parties[i]) == 0) continue;
            vm.prank(_parties[i]);
            access.withdraw(_parties[i]);
        }
        assertEq(token.balanceOf(address(access)), 0);
        assertEq(_funds(), 3 * FUNDS);
    }

    function _offer(uint128 price, uint40 duration, uint40 window) private {
        Offer memory terms = timedOffer();
        terms.price = uint128(bound(price, 0, 500e6));
        terms.duration = uint40(bound(duration, 0, 20 days));
        if (terms.duration < 1 hours) terms.duration = 0;
        terms.refundWindow = terms.price == 0 ? 0 : uint40(bound(window, 0, 20 days));
        offer(Right.READ, terms);
    }

    /// @dev One step, whether or not the contract takes it.
    function _step(uint256 kind, Account memory holder) private returns (bool done) {
        bytes memory call;
        address caller = publisher.addr;
        if (kind <= 1) {
            caller = holder.addr;
            call = abi.encodeCall(access.buy, (collection, Right.READ, anyTerms));
        } else if (kind == 2) {
            (AccessUse memory use, bytes memory signature) = useOf(holder);
            call = abi.encodeCall(access.landUse, (use, signature));
        } else if (kind == 3) {
            caller = holder.addr;
            call = abi.encodeCall(access.refund, (collection, Right.READ));
        } else if (kind == 4) {
            call = abi.encodeCall(access.release, (collection, Right.READ, one(holder.addr)));
        } else if (kind == 5) {
            call = abi.encodeCall(access.revoke, (collection, Right.READ, one(holder.addr)));
        } else if (kind == 6) {
            uint40 expiry = uint40(block.timestamp + 3 days);
            call = abi.encodeCall(access.grant, (collection, Right.READ, one(holder.addr), expiry));
        } else if (kind == 7) {
            bool denied = !access.isDenied(collection, holder.addr);
            call = abi.encodeCall(access.setDenied, (collection, one(holder.addr), denied));
        } else {
            caller = access.creditOf(payee.addr) == 0 ? holder.addr : payee.addr;
            call = abi.encodeCall(access.withdraw, (caller));
        }
        vm.prank(caller);
        (done,) = address(access).call(call);
    }

    function _check() private view {
        uint256 owed = 0;
        for (uint256 i = 0; i < _parties.length; ++i) {
            owed += access.creditOf(_parties[i]);
        }
        for (uint256 i = 0; i < _buyers.length; ++i) {
            Access memory state = held(_buyers[i]);
            if (state.refundUntil != 0) owed += state.paid;
            assertEq(state.payee != address(0), state.refundUntil != 0, "a payee exactly where money is held back");
            assertTrue(!state.denied || state.expiry <= block.timestamp, "whoever is denied holds nothing");
        }
        assertEq(token.balanceOf(address(access)), owed, "holds what it owes");
    }

    function _funds() private view returns (uint256 sum) {
        for (uint256 i = 0; i < _parties.length; ++i) {
            sum += token.balanceOf(_parties[i]);
        }
    }
}
