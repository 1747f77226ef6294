// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessPolicy} from "offsetdata/interfaces/IAccessPolicy.sol";
import {Access, AccessUse, BuyAuthorization, BuyLimits, FOR_EVER, Offer, Right} from "offsetdata/types/Access.sol";
import {CollectionId} from "offsetdata/types/Ids.sol";

import {CollectionHandler} from "./CollectionHandler.sol";
import {Handler, Stage} from "./Handler.sol";

/// @notice Publishers sell, grant, revoke and deny rights; holders buy, use and give back. It knows until when each
/// right has to read as held, and where each call has to be refused.
contract AccessHandler is Handler {
    BuyLimits private _anyTerms = BuyLimits(type(uint128).max, 0, 0);

    CollectionHandler private immutable _registry;

    // The model: until when a right is held, and who is denied or listed.
    mapping(CollectionId => mapping(Right => mapping(address holder => uint256))) private _until;
    mapping(CollectionId => mapping(address account => bool)) private _denied;
    mapping(CollectionId => mapping(Right => mapping(address account => bool))) private _listed;
    uint256 private _salt;

    constructor(Stage memory stage, CollectionHandler registry) Handler(stage) {
        _registry = registry;
        for (uint256 i = 0; i < PEOPLE; ++i) {
            vm.prank(people[i].addr);
            token.approve(address(access), type(uint256).max);
        }
        // A market that is open from the start, so that short runs trade too.
        for (uint256 i = 0; i < registry.count(); ++i) {
            CollectionHandler.Known memory known = registry.knownAt(i);
            Offer memory terms =
                Offer(90e6, 250, people[2].addr, 10 days, 2 days, true, true, IAccessPolicy(address(0)));
            vm.startPrank(known.publisher);
            access.setOffer(known.id, Right.READ, terms);
            access.setOffer(known.id, Right.TRAIN, terms);
            vm.stopPrank();
        }
    }

    // ---------------------------------------------------------------- the publisher's actions

    function offer(uint256 seed) external drawn(seed) {
        (CollectionHandler.Known memory known, Right right) = _somewhere();
        bool timed = !rarely(3);
        Offer memory terms;
        terms.timed = timed;
        terms.metered = !timed || rarely(2);
        terms.payee = somebody().addr;
        if (timed && !rarely(5)) terms.price = uint128(1 + draw(500e6));
        if (timed && !rarely(4)) terms.duration = uint40(1 hours + draw(20 days));
        if (terms.price != 0 && !rarely(3)) terms.refundWindow = uint40(draw(3 days));
        if (terms.metered) terms.pricePerRecord = uint128(draw(500));
        if (rarely(3)) terms.policy = list;
        step(
            known.publisher, address(access), abi.encodeCall(access.setOffer, (known.id, right, terms)), !known.retired
        );
    }

    function clearOffer(uint256 seed) external drawn(seed) {
        if (!rarely(3)) return;
        (CollectionHandler.Known memory known, Right right) = _somewhere();
        bool expected = access.offerOf(known.id, right).payee != address(0);
        step(known.publisher, address(access), abi.encodeCall(access.clearOffer, (known.id, right)), expected);
    }

    function admit(uint256 seed) external drawn(seed) {
        (CollectionHandler.Known memory known, Right right) = _somewhere();
        address account = somebody().addr;
        bool allowed = !rarely(3);
        step(
            known.publisher,
            address(list),
            abi.encodeCall(list.setAllowed, (known.id, right, one(account), allowed)),
            true
        );
        _listed[known.id][right][account] = allowed;
    }

    function grant(uint256 seed) external drawn(seed) {
        (CollectionHandler.Known memory known, Right right) = _somewhere();
        address holder = somebody().addr;
        uint40 expiry = rarely(6) ? FOR_EVER : uint40(block.timestamp + draw(10 days));
        bool expected = !known.retired && !_denied[known.id][holder] && expiry > block.timestamp;
        bytes memory data = abi.encodeCall(access.grant, (known.id, right, one(holder), expiry));
        step(known.publisher, address(access), data, expected);
        if (expected && _until[known.id][right][holder] < expiry) _until[known.id][right][holder] = expiry;
    }

    function revoke(uint256 seed) external drawn(seed) {
        (CollectionHandler.Known memory known, Right right) = _somewhere();
        address holder = somebody().addr;
        step(known.publisher, address(access), abi.encodeCall(access.revoke, (known.id, right, one(holder))), true);
        _until[known.id][right][holder] = 0;
    }

    function deny(uint256 seed) external drawn(seed) {
        (CollectionHandler.Known memory known,) = _somewhere();
        address account = somebody().addr;
        bool denied = rarely(3);
        step(known.publisher, address(access), abi.encodeCall(access.setDenied, (known.id, one(account), denied)), true);
        _denied[known.id][account] = denied;
        if (!denied) return;
        _until[known.id][Right.READ][account] = 0;
        _until[known.id][Right.TRAIN][account] = 0;
    }

    // ---------------------------------------------------------------- the holder's actions

    function buy(uint256 seed) external drawn(seed) {
        (CollectionHandler.Known memory known, Right right) = _somewhere();
        address buyer = somebody().addr;
        bool expected = _canBuy(known, right, buyer);
        step(buyer, address(access), abi.encodeCall(access.buy, (known.id, right, _anyTerms)), expected);
        if (expected) _bought(known.id, right, buyer);
    }

    /// @notice One signature of the buyer, landed by anybody.
    function buySigned(uint256 seed) external drawn(seed) {
        (CollectionHandler.Known memory known, Right right) = _somewhere();
        Account memory buyer = somebody();
        bool expected = _canBuy(known, right, buyer.addr);
        BuyAuthorization memory purchase;
        (purchase.buyer, purchase.collection, purchase.right) = (buyer.addr, known.id, right);
        purchase.limits = BuyLimits(access.offerOf(known.id, right).price + uint128(draw(1000)), 0, 0);
        purchase.validBefore = type(uint256).max;
        purchase.salt = bytes32(++_salt);
        bytes32 nonce = access.buyNonceOf(buyer.addr, known.id, right, purchase.limits, purchase.salt);
        bytes memory signature = authorized(buyer, address(access), purchase.limits.maxPrice, nonce);
        bytes memory data = abi.encodeCall(access.buyWithAuthorization, (purchase, signature));
        address relayer = somebody().addr;
        step(relayer, address(access), data, expected);
        if (!expected) return;
        _bought(known.id, right, buyer.addr);
        step(relayer, address(access), data, false);
    }

    function use(uint256 seed) external drawn(seed) {
        (CollectionHandler.Known memory known, Right right, Account memory holder) = _purchase();
        Access memory held = access.accessOf(known.id, right, holder.addr);
        AccessUse memory word = AccessUse(known.id, right, holder.addr, held.since);
        bytes memory data = abi.encodeCall(access.landUse, (word, signed(holder, access.accessUseDigest(word))));
        uint256 before = access.creditOf(held.payee);
        step(somebody().addr, address(access), data, held.refundUntil != 0);
        if (held.refundUntil != 0) assertEq(access.creditOf(held.payee), before + held.paid, "the payee gets it all");
    }

    function refund(uint256 seed) external drawn(seed) {
        (CollectionHandler.Known memory known, Right right, Account memory account) = _purchase();
        address holder = account.addr;
        Access memory held = access.accessOf(known.id, right, holder);
        bool expected = held.refundUntil != 0 && block.timestamp <= held.refundUntil;
        uint256 before = access.creditOf(holder);
        step(holder, address(access), abi.encodeCall(access.refund, (known.id, right)), expected);
        if (!expected) return;
        assertEq(access.creditOf(holder), before + held.paid, "the holder gets it all back");
        _until[known.id][right][holder] = 0;
    }

    function release(uint256 seed) external drawn(seed) {
        (CollectionHandler.Known memory known, Right right) = _somewhere();
        address[] memory holders = new address[](PEOPLE);
        uint256 due;
        for (uint256 i = 0; i < PEOPLE; ++i) {
            holders[i] = people[i].addr;
            Access memory held = access.accessOf(known.id, right, holders[i]);
            if (held.refundUntil != 0 && block.timestamp > held.refundUntil) due += held.paid;
        }
        bytes memory data = abi.encodeCall(access.release, (known.id, right, holders));
        bytes memory result = step(somebody().addr, address(access), data, true);
        assertEq(abi.decode(result, (uint256)), due, "what is due is released, no more");
    }

    function withdraw(uint256 seed) external drawn(seed) {
        pull(access, somebody().addr);
    }

    // ---------------------------------------------------------------- what is known

    function check() external view override {
        uint256 heldBack;
        for (uint256 i = 0; i < _registry.count(); ++i) {
            CollectionHandler.Known memory known = _registry.knownAt(i);
            for (uint256 j = 0; j < PEOPLE; ++j) {
                heldBack += _checkOne(known, Right.READ, people[j].addr);
                heldBack += _checkOne(known, Right.TRAIN, people[j].addr);
            }
        }
        uint256 balance = token.balanceOf(address(access));
        assertEq(balance, creditsOf(access) + heldBack, "AccessToken holds credits and what is refundable");
    }

    /// @notice After the last refund window: whatever is held back goes to its payee.
    function drain() external {
        address[] memory holders = new address[](PEOPLE);
        for (uint256 i = 0; i < PEOPLE; ++i) {
            holders[i] = people[i].addr;
        }
        for (uint256 i = 0; i < _registry.count(); ++i) {
            access.release(_registry.knownAt(i).id, Right.READ, holders);
            access.release(_registry.knownAt(i).id, Right.TRAIN, holders);
        }
        for (uint256 i = 0; i < PEOPLE; ++i) {
            if (access.creditOf(people[i].addr) != 0) pull(access, people[i].addr);
        }
    }

    function actions() external pure override returns (bytes4[] memory list_) {
        list_ = new bytes4[](12);
        (list_[0], list_[1], list_[2]) = (this.offer.selector, this.clearOffer.selector, this.admit.selector);
        (list_[3], list_[4], list_[5]) = (this.grant.selector, this.revoke.selector, this.deny.selector);
        (list_[6], list_[7], list_[8]) = (this.buy.selector, this.buySigned.selector, this.use.selector);
        (list_[9], list_[10], list_[11]) = (this.refund.selector, this.release.selector, this.withdraw.selector);
    }

    function names() external pure override returns (string[] memory list_) {
        list_ = new string[](12);
        (list_[0], list_[1], list_[2], list_[3]) = ("offer", "clearOffer", "admit", "grant");
        (list_[4], list_[5], list_[6], list_[7]) = ("revoke", "deny", "buy", "buySigned");
        (list_[8], list_[9], list_[10], list_[11]) = ("use", "refund", "release", "withdraw");
    }

    // ---------------------------------------------------------------- internals

    /// @dev Mostly a collection that is not retired.
    function _somewhere() private returns (CollectionHandler.Known memory known, Right right) {
        uint256 count = _registry.count();
        uint256 i = draw(count);
        right = rarely(3) ? Right.TRAIN : Right.READ;
        known = _registry.knownAt(i);
        for (uint256 n = rarely(4) ? count : 0; n < count && known.retired; ++n) {
            known = _registry.knownAt((i + n) % count);
        }
    }

    /// @dev Mostly a purchase whose money is held back, if there is one.
    function _purchase() private returns (CollectionHandler.Known memory known, Right right, Account memory holder) {
        (known, right) = _somewhere();
        holder = somebody();
        if (rarely(5)) return (known, right, holder);
        uint256 count = _registry.count() * 2 * PEOPLE;
        uint256 first = draw(count);
        for (uint256 n = 0; n < count; ++n) {
            uint256 i = (first + n) % count;
            CollectionId id = _registry.knownAt(i / (2 * PEOPLE)).id;
            Right candidate = i % 2 == 0 ? Right.READ : Right.TRAIN;
            Account memory person = people[(i / 2) % PEOPLE];
            if (access.accessOf(id, candidate, person.addr).refundUntil == 0) continue;
            return (_registry.knownAt(i / (2 * PEOPLE)), candidate, person);
        }
    }

    function _canBuy(CollectionHandler.Known memory known, Right right, address buyer) private view returns (bool) {
        Access memory held = access.accessOf(known.id, right, buyer);
        Offer memory terms = access.offerOf(known.id, right);
        return terms.timed && !known.retired && !_denied[known.id][buyer] && _until[known.id][right][buyer] != FOR_EVER
            && _admitted(terms, known.id, right, buyer)
            && (held.refundUntil == 0 || (held.paid != 0 && block.timestamp > held.refundUntil));
    }

    function _admitted(Offer memory terms, CollectionId id, Right right, address account) private view returns (bool) {
        return address(terms.policy) == address(0) || _listed[id][right][account];
    }

    function _bought(CollectionId id, Right right, address buyer) private {
        uint256 duration = access.offerOf(id, right).duration;
        uint256 until = _until[id][right][buyer];
        if (until < block.timestamp) until = block.timestamp;
        _until[id][right][buyer] = duration == 0 ? FOR_EVER : until + duration;
    }

    function _checkOne(CollectionHandler.Known memory known, Right right, address account)
        private
        view
        returns (uint256 heldBack)
    {
        Access memory state = access.accessOf(known.id, right, account);
        Offer memory terms = access.offerOf(known.id, right);
        bool held = _until[known.id][right][account] > block.timestamp;
        bool denied = _denied[known.id][account];
        assertFalse(held && denied, "who is denied holds nothing");
        assertEq(
            access.balanceOf(account, access.tokenIdOf(known.id, right)) == 1, held, "a right that ended is not held"
        );
        bool metered = terms.metered && !known.retired && _admitted(terms, known.id, right, account);
        assertEq(access.hasAccess(known.id, account, right), !denied && (held || metered), "nor does it read as held");
        assertEq(state.payee != address(0), state.refundUntil != 0, "a payee exactly where money is held back");
        if (state.refundUntil != 0) heldBack = state.paid;
    }
}
