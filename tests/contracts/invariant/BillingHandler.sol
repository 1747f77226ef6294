// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    DepositState,
    PoolState,
    RegisteredTerms,
    SHARES_TOTAL,
    Share,
    SpenderState
} from "offsetdata/types/Billing.sol";
import {CollectionId} from "offsetdata/types/Ids.sol";

import {BillingActions} from "./BillingActions.sol";
import {CollectionHandler} from "./CollectionHandler.sol";
import {Handler, Stage} from "./Handler.sol";

/// @notice The rest of `BillingActions`: revenue, shares and the check of the model.
contract BillingHandler is BillingActions {
    /// All that was ever taken out of a lane's revenue, by (collection, payee).
    mapping(uint256 collection => mapping(address payee => uint256)) private _collected;
    mapping(uint256 collection => uint256) private _pooled;

    constructor(Stage memory stage, CollectionHandler registry_) Handler(stage) BillingActions(registry_) {}

    // ---------------------------------------------------------------- actions

    function collect(uint256 seed) external drawn(seed) {
        _collect(_payee());
    }

    function claim(uint256 seed) external drawn(seed) {
        // The second collection is the one of the two with shares.
        _claim(rarely(6) ? 0 : 1, draw(registry.CONTRIBUTORS()));
    }

    function withdraw(uint256 seed) external drawn(seed) {
        pull(billing, somebody().addr);
    }

    // ---------------------------------------------------------------- what is known

    function check() external view override {
        uint256 owed = creditsOf(billing);
        for (uint256 i = 0; i < PEOPLE; ++i) {
            address payer = people[i].addr;
            for (uint256 j = 0; j < 2; ++j) {
                DepositState memory state = billing.depositOf(payer, people[j].addr);
                assertLe(state.thawing, state.balance, "no more thaws than is there");
                owed += state.balance;
                SpenderState memory spender = billing.spenderOf(payer, keys[j].addr);
                assertEq(spender.spent, spent[payer][keys[j].addr], "a key's vouchers count against its cap");
                assertLe(spender.spent, spender.cap, "a key never spends more than its cap");
            }
        }
        for (uint256 i = 0; i < lanes.length; ++i) {
            Lane memory lane = lanes[i];
            uint256 settled =
                billing.settledOf(lane.payer, lane.payee, registry.knownAt(lane.collection).id, lane.number);
            assertEq(settled, lane.settled, "a lane moves by vouchers only");
        }
        for (uint256 i = 0; i < 2; ++i) {
            owed += _checkRevenue(i);
        }
        assertEq(token.balanceOf(address(billing)), owed, "UsageBilling holds credits, deposits, revenue and pools");
    }

    /// @notice After notice is given and the period is over: deposits, revenue, shares and credits leave.
    /// @return dust What no share covers: the shares don't add up to the whole, and each is rounded down.
    function drain() external returns (uint256 dust) {
        for (uint256 i = 0; i < PEOPLE; ++i) {
            for (uint256 j = 0; j < 2; ++j) {
                uint256 balance = billing.depositOf(people[i].addr, people[j].addr).balance;
                vm.prank(people[i].addr);
                billing.thaw(people[j].addr, balance);
            }
        }
        vm.warp(block.timestamp + billing.THAW_PERIOD());
        for (uint256 i = 0; i < PEOPLE; ++i) {
            for (uint256 j = 0; j < 2; ++j) {
                if (billing.depositOf(people[i].addr, people[j].addr).balance == 0) continue;
                vm.prank(people[i].addr);
                billing.withdrawDeposit(people[j].addr);
            }
        }
        _collect(people[0].addr);
        _collect(people[1].addr);
        for (uint256 leaf = 0; leaf < registry.CONTRIBUTORS(); ++leaf) {
            _claim(1, leaf);
        }
        for (uint256 i = 0; i < PEOPLE; ++i) {
            if (billing.creditOf(people[i].addr) != 0) pull(billing, people[i].addr);
        }
        PoolState memory pool = billing.poolOf(registry.knownAt(1).id);
        dust = pool.total - pool.claimed;
        uint256 bound_ = uint256(pool.total) / SHARES_TOTAL + 1 + registry.CONTRIBUTORS();
        assertLe(dust, bound_, "dust: a wei a contributor and the part that nobody was promised");
    }

    function actions() external pure override returns (bytes4[] memory list_) {
        list_ = new bytes4[](11);
        (list_[0], list_[1], list_[2]) = (this.approve.selector, this.deposit.selector, this.thaw.selector);
        (list_[3], list_[4], list_[5]) = (this.takeOut.selector, this.authorize.selector, this.revokeKey.selector);
        (list_[6], list_[7], list_[8]) = (this.settle.selector, this.settleBatch.selector, this.collect.selector);
        (list_[9], list_[10]) = (this.claim.selector, this.withdraw.selector);
    }

    function names() external pure override returns (string[] memory list_) {
        list_ = new string[](11);
        (list_[0], list_[1], list_[2], list_[3]) = ("approve", "deposit", "thaw", "takeOut");
        (list_[4], list_[5], list_[6], list_[7]) = ("authorize", "revokeKey", "settle", "settleBatch");
        (list_[8], list_[9], list_[10]) = ("collect", "claim", "withdraw");
    }

    // ---------------------------------------------------------------- internals

    function _collect(address payee) private {
        RegisteredTerms[] memory terms = new RegisteredTerms[](2);
        uint256 plain;
        for (uint256 i = 0; i < 2; ++i) {
            terms[i] = RegisteredTerms(registry.knownAt(i).registrant, registry.termsAt(i));
            uint256 standing = earned[i][payee] - _collected[i][payee];
            _collected[i][payee] += standing;
            if (i == 0) plain = standing;
            else _pooled[i] += standing;
        }
        uint256 before = billing.creditOf(payee);
        step(somebody().addr, address(billing), abi.encodeCall(billing.collectRevenue, (payee, terms)), true);
        assertEq(billing.creditOf(payee), before + plain, "the payee gets what its plain collections earned");
    }

    function _claim(uint256 i, uint256 leaf) private {
        (Share memory share, bytes32[] memory proof) = registry.shareAt(leaf);
        RegisteredTerms memory terms = RegisteredTerms(registry.knownAt(i).registrant, registry.termsAt(i));
        uint256 entitled = _pooled[i] * share.parts / SHARES_TOTAL;
        uint256 claimed = billing.claimedOf(registry.knownAt(i).id, share.account);
        bool expected = i == 1 && entitled > claimed;
        uint256 count = registry.CONTRIBUTORS();
        bytes memory data = abi.encodeCall(billing.claimShare, (terms, share, leaf, count, proof));
        step(somebody().addr, address(billing), data, expected);
        if (expected) {
            assertEq(billing.claimedOf(registry.knownAt(i).id, share.account), entitled, "its part, no more");
        }
    }

    /// @dev Revenue and pool of a collection are what was settled, and shares never pay more than the pool.
    function _checkRevenue(uint256 i) private view returns (uint256 owed) {
        CollectionId id = registry.knownAt(i).id;
        for (uint256 j = 0; j < 2; ++j) {
            address payee = people[j].addr;
            uint256 revenue = billing.revenueOf(id, payee);
            assertEq(revenue, earned[i][payee] - _collected[i][payee], "revenue is what was settled");
            owed += revenue;
        }
        PoolState memory pool = billing.poolOf(id);
        uint256 claimed;
        for (uint256 j = 0; j < registry.CONTRIBUTORS(); ++j) {
            claimed += billing.claimedOf(id, people[j].addr);
        }
        assertEq(pool.total, _pooled[i], "the pool is what was collected for it");
        assertEq(pool.claimed, claimed, "and gave what was claimed");
        assertLe(pool.claimed, pool.total, "shares never pay more than the pool");
        owed += pool.total - pool.claimed;
    }
}
