// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IUsageBilling} from "offsetdata/interfaces/IUsageBilling.sol";
import {
    DepositState,
    PoolState,
    RegisteredTerms,
    SHARES_TOTAL,
    Share,
    SignedVoucher,
    SpenderAuthorization,
    SpenderState,
    UsageVoucher
} from "offsetdata/types/Billing.sol";
import {CollectionId} from "offsetdata/types/Ids.sol";

import {CollectionHandler} from "./CollectionHandler.sol";
import {Handler} from "./Handler.sol";

/// @notice Payers promise, deposit, thaw and authorize keys; payees settle, collect and share. It knows what each lane
/// promised and settled, and when a voucher can be paid. Revenue, sharing and the check are in `BillingHandler`.
abstract contract BillingActions is Handler {
    struct Lane {
        address payer;
        address payee;
        uint256 collection;
        uint64 number;
        uint128 promised;
        uint256 settled;
    }

    uint256 internal constant LANES = 2;

    CollectionHandler internal immutable registry;
    Account[2] internal keys;

    Lane[] internal lanes;
    mapping(bytes32 lane => uint256 position) private _positions; // from 1
    mapping(address payer => mapping(address spender => uint256)) internal spent;
    /// All that was ever settled, by (collection, payee).
    mapping(uint256 collection => mapping(address payee => uint256)) internal earned;

    constructor(CollectionHandler registry_) {
        registry = registry_;
        keys[0] = makeAccount("spender key 0");
        keys[1] = makeAccount("spender key 1");
    }

    // ---------------------------------------------------------------- deposits and allowances

    function approve(uint256 seed) external drawn(seed) {
        address payer = somebody().addr;
        uint256 amount = rarely(4) ? 0 : draw(30_000);
        step(payer, address(token), abi.encodeCall(token.approve, (address(billing), amount)), true);
    }

    function deposit(uint256 seed) external drawn(seed) {
        address payer = somebody().addr;
        uint256 amount = draw(5000);
        bool expected = amount != 0 && amount <= token.allowance(payer, address(billing));
        step(payer, address(billing), abi.encodeCall(billing.deposit, (_payee(), amount)), expected);
    }

    function thaw(uint256 seed) external drawn(seed) {
        address payer = somebody().addr;
        address payee = _payee();
        DepositState memory state = billing.depositOf(payer, payee);
        // A new notice begins the period anew: mostly the old one may run out.
        if (state.thawing != 0 && !rarely(4)) return;
        uint256 balance = state.balance;
        uint256 amount = draw(balance + 1 + balance / 8);
        step(payer, address(billing), abi.encodeCall(billing.thaw, (payee, amount)), amount <= balance);
    }

    function takeOut(uint256 seed) external drawn(seed) {
        (address payer, address payee) = (somebody().addr, _payee());
        for (uint256 n = rarely(4) ? 8 : 0; n < 8 && billing.depositOf(payer, payee).thawing == 0; ++n) {
            (payer, payee) = (people[n % PEOPLE].addr, people[n / PEOPLE].addr);
        }
        DepositState memory state = billing.depositOf(payer, payee);
        // Three days are more than most runs last.
        if (state.thawsAt > block.timestamp && rarely(4)) vm.warp(state.thawsAt);
        bool expected = state.thawing != 0 && block.timestamp >= state.thawsAt;
        uint256 before = billing.creditOf(payer);
        step(payer, address(billing), abi.encodeCall(billing.withdrawDeposit, (payee)), expected);
        if (expected) assertEq(billing.creditOf(payer), before + state.thawing, "what thawed is credited");
    }

    // ---------------------------------------------------------------- spender keys

    function authorize(uint256 seed) external drawn(seed) {
        Account memory payer = somebody();
        address spender = keys[draw(2)].addr;
        uint24 nonce = billing.spenderOf(payer.addr, spender).nonce;
        bool expected = !rarely(4);
        SpenderAuthorization memory word = SpenderAuthorization({
            payer: payer.addr,
            spender: spender,
            cap: uint96(draw(20_000)),
            expiry: uint40(block.timestamp + 1 + draw(5 days)),
            // Otherwise that of one that was used or revoked, or, at first, one that comes too early.
            nonce: expected ? nonce : nonce == 0 ? 1 : nonce - 1
        });
        bytes memory signature = signed(payer, billing.spenderAuthorizationDigest(word));
        bytes memory data = abi.encodeCall(billing.authorizeSpender, (word, signature));
        step(somebody().addr, address(billing), data, expected);
        if (expected) spent[payer.addr][spender] = 0;
    }

    function revokeKey(uint256 seed) external drawn(seed) {
        address payer = somebody().addr;
        address spender = keys[draw(2)].addr;
        step(payer, address(billing), abi.encodeCall(billing.revokeSpender, (spender)), true);
        spent[payer][spender] = 0;
    }

    // ---------------------------------------------------------------- vouchers

    /// @notice A voucher alone: paid in full exactly where signer, cap, deposit and allowance suffice.
    function settle(uint256 seed) external drawn(seed) {
        Lane storage lane = _lane();
        (SignedVoucher memory item, uint256 left) = _promise(lane);
        uint256 due = item.voucher.amount - lane.settled;
        bool expected = due != 0 && due <= left && due <= _available(item.voucher);
        bytes memory data = abi.encodeCall(billing.settle, (item));
        step(somebody().addr, address(billing), data, expected);
        _observe(lane, item.signer);
        if (!expected) return;
        assertEq(lane.settled, item.voucher.amount, "paid in full");
        bytes4 reason = IUsageBilling.UsageBilling_NothingDue.selector;
        if (item.signer == lane.payer) refused(somebody().addr, address(billing), data, reason);
    }

    /// @notice Three vouchers, one of them twice: whatever is wrong with them, the batch doesn't revert.
    function settleBatch(uint256 seed) external drawn(seed) {
        SignedVoucher[] memory items = new SignedVoucher[](4);
        Lane[] memory before = new Lane[](4);
        for (uint256 i = 0; i < 3; ++i) {
            Lane storage lane = _lane();
            before[i] = lane;
            // One signer a lane, so that what the lane grows by counts against one key.
            bool again;
            for (uint256 j = 0; j < i; ++j) {
                if (_keyOf(before[j]) == _keyOf(before[i])) (again, items[i]) = (true, items[j]);
            }
            if (!again) (items[i],) = _promise(lane);
        }
        (items[3], before[3]) = (items[0], before[0]);
        bytes memory result =
            step(somebody().addr, address(billing), abi.encodeCall(billing.settleBatch, (items)), true);
        uint256 paid;
        for (uint256 i = 0; i < 4; ++i) {
            paid += _observe(_laneAt(before[i]), items[i].signer);
        }
        assertEq(abi.decode(result, (uint256)), paid, "what it says it paid is what the lanes grew by");
    }

    // ---------------------------------------------------------------- internals

    function _payee() internal returns (address) {
        return people[draw(2)].addr;
    }

    function _lane() private returns (Lane storage lane) {
        Lane memory new_ = Lane(somebody().addr, _payee(), draw(2), uint64(draw(LANES)), 0, 0);
        bytes32 key = _keyOf(new_);
        if (_positions[key] == 0) {
            lanes.push(new_);
            _positions[key] = lanes.length;
        }
        return lanes[_positions[key] - 1];
    }

    function _laneAt(Lane memory lane) private view returns (Lane storage) {
        return lanes[_positions[_keyOf(lane)] - 1];
    }

    function _keyOf(Lane memory lane) private pure returns (bytes32) {
        return keccak256(abi.encode(lane.payer, lane.payee, lane.collection, lane.number));
    }

    /// @dev A voucher over a bit more than was promised before, or over the same, by the payer or one of its keys.
    /// @return item The voucher, signed.
    /// @return left What the signer may still spend.
    function _promise(Lane storage lane) private returns (SignedVoucher memory item, uint256 left) {
        if (!rarely(6)) lane.promised += uint128(draw(3000));
        item.voucher = UsageVoucher({
            payer: lane.payer,
            payee: lane.payee,
            collection: registry.knownAt(lane.collection).id,
            lane: lane.number,
            amount: lane.promised,
            records: uint64(lane.promised / 100),
            validUntil: uint40(block.timestamp + 1 hours),
            fromDeposit: rarely(2)
        });
        Account memory signer = rarely(2) ? personOf(lane.payer) : keys[draw(2)];
        left = type(uint256).max;
        if (signer.addr != lane.payer) {
            SpenderState memory state = billing.spenderOf(lane.payer, signer.addr);
            left = block.timestamp < state.expiry ? state.cap - state.spent : 0;
        }
        item.signer = signer.addr;
        item.signature = signed(signer, billing.voucherDigest(item.voucher));
    }

    function _available(UsageVoucher memory voucher) private view returns (uint256) {
        uint256 all = billing.availableOf(voucher.payer, voucher.payee);
        return voucher.fromDeposit ? all : all - billing.depositOf(voucher.payer, voucher.payee).balance;
    }

    /// @dev What a lane settled since it was looked at: never less than nothing, never more than promised.
    function _observe(Lane storage lane, address signer) private returns (uint256 paid) {
        CollectionId id = registry.knownAt(lane.collection).id;
        uint256 now_ = billing.settledOf(lane.payer, lane.payee, id, lane.number);
        assertGe(now_, lane.settled, "a lane never falls");
        assertLe(now_, lane.promised, "a lane never settles more than was signed");
        paid = now_ - lane.settled;
        lane.settled = now_;
        earned[lane.collection][lane.payee] += paid;
        if (signer != lane.payer) spent[lane.payer][signer] += paid;
    }
}
