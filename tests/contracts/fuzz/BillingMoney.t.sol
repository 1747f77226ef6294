// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PoolState, RegisteredTerms, Share, SignedVoucher, UsageVoucher} from "offsetdata/types/Billing.sol";
import {CollectionTerms} from "offsetdata/types/Collection.sol";
import {CollectionId} from "offsetdata/types/Ids.sol";

import {MerkleReference} from "../mocks/MerkleReference.sol";
import {UnreliableToken} from "../mocks/Tokens.sol";
import {BillingBase} from "../unit/UsageBilling/BillingBase.t.sol";

/// @notice Whatever payers, payees and an unreliable token do in whatever order: the contract holds exactly what it
/// owes, and nobody pays more than it signed.
contract BillingMoneyTest is BillingBase {
    Account[2] private payers;
    Share[2] private shares;
    bytes32[] private leaves;
    CollectionTerms[2] private terms;
    CollectionId[2] private ids;
    mapping(address payer => uint256) private paid;
    mapping(address payer => mapping(uint256 lane => uint256)) private promised;

    function setUp() public override {
        super.setUp();
        (payers[0], payers[1]) = (reader, user);
        shares[0] = Share(publisher.addr, 600_000_000);
        shares[1] = Share(contributor.addr, 400_000_000);
        for (uint256 i = 0; i < 2; ++i) {
            leaves.push(MerkleReference.leaf(abi.encodePacked("offsetdata.share", shares[i].account, shares[i].parts)));
        }
        terms[0] = termsOf("plain");
        terms[1] = termsOf("shared");
        terms[1].sharesRoot = MerkleReference.root(leaves);
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(publisher.addr);
            ids[i] = collections.register(terms[i]);
        }
    }

    function testFuzz_ItHoldsWhatItOwes(uint256 seed) external {
        for (uint256 step = 0; step < 24; ++step) {
            uint256 random = uint256(keccak256(abi.encode(seed, step)));
            _act(payers[random % 2], (random >> 8) % 8, random >> 16);
            _check();
        }
    }

    function _act(Account memory payer, uint256 action, uint256 random) private {
        uint256 amount = random % 5000;
        UnreliableToken.Mode mode = random % 5 == 0 ? UnreliableToken.Mode.ANSWERS_FALSE : UnreliableToken.Mode.WORKS;
        if (action == 0) approve(payer, amount);
        if (action == 1) misbehave(payer.addr, mode);
        if (action == 2) {
            misbehave(payer.addr, UnreliableToken.Mode.WORKS);
            deposit(payer, amount + 1);
        }
        if (action == 3) {
            uint256 thawing = amount % (depositOf(payer).balance + 1);
            vm.prank(payer.addr);
            billing.thaw(publisher.addr, thawing);
            if (random % 3 == 0) vm.warp(block.timestamp + 3 days);
        }
        if (action == 4 && depositOf(payer).thawing != 0) {
            vm.prank(payer.addr);
            try billing.withdrawDeposit(publisher.addr) {} catch {}
        }
        if (action == 5) _settle(payer, random >> 16);
        if (action == 6) _settle(payer, random >> 24);
        if (action == 7) _payOut(random >> 16);
    }

    /// @dev A batch of two promises of the payer, of which it may be able to pay none.
    function _settle(Account memory payer, uint256 random) private {
        SignedVoucher[] memory items = new SignedVoucher[](2);
        for (uint256 i = 0; i < 2; ++i) {
            uint256 lane = (random >> i) % 2;
            promised[payer.addr][lane] += (random >> (8 * i)) % 3000;
            UsageVoucher memory voucher = voucherOf(payer, uint64(lane), uint128(promised[payer.addr][lane]));
            voucher.collection = ids[lane];
            items[i] = signed(payer, voucher);
        }
        uint256 before = token.balanceOf(payer.addr) + depositOf(payer).balance;
        uint256 got = billing.settleBatch(items);
        assertEq(before - token.balanceOf(payer.addr) - depositOf(payer).balance, got);
        paid[payer.addr] += got;
        assertLe(paid[payer.addr], promised[payer.addr][0] + promised[payer.addr][1]);
    }

    function _payOut(uint256 random) private {
        RegisteredTerms[] memory list = new RegisteredTerms[](2);
        for (uint256 i = 0; i < 2; ++i) {
            list[i] = RegisteredTerms(publisher.addr, terms[i]);
        }
        billing.collectRevenue(publisher.addr, list);
        uint256 leaf = random % 2;
        try billing.claimShare(list[1], shares[leaf], leaf, 2, MerkleReference.path(leaves, leaf)) {} catch {}
        if (billing.creditOf(publisher.addr) != 0) {
            vm.prank(publisher.addr);
            billing.withdraw(publisher.addr);
        }
    }

    function _check() private view {
        uint256 owed = billing.creditOf(publisher.addr) + billing.creditOf(contributor.addr);
        for (uint256 i = 0; i < 2; ++i) {
            owed += billing.creditOf(payers[i].addr) + depositOf(payers[i]).balance;
            owed += billing.revenueOf(ids[i], publisher.addr);
            assertLe(depositOf(payers[i]).thawing, depositOf(payers[i]).balance);
        }
        PoolState memory pool = billing.poolOf(ids[1]);
        assertLe(pool.claimed, pool.total);
        owed += pool.total - pool.claimed;
        assertEq(token.balanceOf(address(billing)), owed);
    }
}
