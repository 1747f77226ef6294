// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {StorageSlot} from "@openzeppelin/contracts/utils/StorageSlot.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Credits} from "./Credits.sol";
import {ICollectionRegistry} from "./interfaces/ICollectionRegistry.sol";
import {IUsageBilling} from "./interfaces/IUsageBilling.sol";
import {Merkle} from "./libraries/Merkle.sol";
import {Signatures} from "./libraries/Signatures.sol";
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
} from "./types/Billing.sol";
import {CollectionId} from "./types/Ids.sol";

/// @title UsageBilling
/// @notice See IUsageBilling.
contract UsageBilling is IUsageBilling, Credits, EIP712 {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    // ---------------------------------------------------------------- immutables

    /// @inheritdoc IUsageBilling
    uint40 public constant THAW_PERIOD = 3 days;

    bytes32 private constant VOUCHER_TYPEHASH = keccak256(
        "UsageVoucher(address payer,address payee,bytes32 collection,uint64 lane,uint128 amount,uint64 records,uint40 validUntil,bool fromDeposit)"
    );
    bytes32 private constant AUTHORIZATION_TYPEHASH =
        keccak256("SpenderAuthorization(address payer,address spender,uint96 cap,uint40 expiry,uint24 nonce)");
    bytes16 private constant SHARE_TAG = "offsetdata.share";

    /// @dev What the token may use in one call, so that one payer's transfer can't use up a batch.
    uint256 private constant TOKEN_GAS = 200_000;

    /// @inheritdoc IUsageBilling
    ICollectionRegistry public immutable registry;

    // ---------------------------------------------------------------- storage

    // What a lane has settled lies at the slot that is the lane's hash: a hash of four words, as no mapping's is.
    mapping(address payer => mapping(address spender => SpenderState)) private _spenders;
    mapping(address payer => mapping(address payee => DepositState)) private _deposits;
    mapping(CollectionId collection => mapping(address payee => uint256 amount)) private _revenue;
    mapping(CollectionId collection => PoolState) private _pools;
    mapping(CollectionId collection => mapping(address account => uint256 amount)) private _claimed;

    constructor(IERC20 token_, ICollectionRegistry registry_, address forwarder)
        Credits(token_, forwarder)
        EIP712("Offsetdata UsageBilling", "1")
    {
        registry = registry_;
    }

    // ---------------------------------------------------------------- settle

    /// @inheritdoc IUsageBilling
    function settle(SignedVoucher calldata item) external nonReentrant returns (uint256 paid) {
        bytes memory failure;
        (paid, failure) = _settle(item, true);
        if (failure.length != 0) {
            assembly ("memory-safe") {
                revert(add(failure, 0x20), mload(failure))
            }
        }
    }

    /// @inheritdoc IUsageBilling
    function settleBatch(SignedVoucher[] calldata items) external nonReentrant returns (uint256 paid) {
        for (uint256 i = 0; i < items.length; ++i) {
            (uint256 part, bytes memory failure) = _settle(items[i], false);
            paid += part;
            if (failure.length != 0) {
                UsageVoucher calldata voucher = items[i].voucher;
                // forge-lint: disable-next-item(unsafe-typecast): the selector is what is wanted.
                emit VoucherSkipped(
                    voucher.payer, voucher.payee, voucher.collection, voucher.lane, voucher.amount, bytes4(failure)
                );
            }
        }
    }

    // ---------------------------------------------------------------- spender keys

    /// @inheritdoc IUsageBilling
    function authorizeSpender(SpenderAuthorization calldata authorization, bytes calldata signature) external {
        SpenderState storage state = _spenders[authorization.payer][authorization.spender];
        uint24 nonce = state.nonce;
        require(authorization.nonce == nonce, UsageBilling_WrongNonce(authorization.nonce, nonce));
        require(
            block.timestamp < authorization.expiry,
            UsageBilling_AuthorizationExpired(authorization.expiry, block.timestamp)
        );
        Signatures.requireSigner(authorization.payer, spenderAuthorizationDigest(authorization), signature);

        _spenders[authorization.payer][authorization.spender] =
            SpenderState({cap: authorization.cap, spent: 0, expiry: authorization.expiry, nonce: nonce + 1});
        emit SpenderAuthorized(
            authorization.payer, authorization.spender, authorization.cap, authorization.expiry, nonce
        );
    }

    /// @inheritdoc IUsageBilling
    function revokeSpender(address spender) external {
        address payer = _msgSender();
        uint24 nonce = _spenders[payer][spender].nonce + 1;
        _spenders[payer][spender] = SpenderState({cap: 0, spent: 0, expiry: 0, nonce: nonce});
        emit SpenderRevoked(payer, spender, nonce);
    }

    // ---------------------------------------------------------------- deposit

    /// @inheritdoc IUsageBilling
    function deposit(address payee, uint256 amount) external nonReentrant {
        _deposit(_msgSender(), payee, amount);
    }

    /// @inheritdoc IUsageBilling
    function depositWithPermit(address payee, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
    {
        address payer = _msgSender();
        // Whoever saw the permit may have landed it already; what counts is the allowance.
        try IERC20Permit(address(token)).permit(payer, address(this), amount, deadline, v, r, s) {} catch {}
        _deposit(payer, payee, amount);
    }

    /// @inheritdoc IUsageBilling
    function thaw(address payee, uint256 amount) external {
        address payer = _msgSender();
        DepositState storage state = _deposits[payer][payee];
        uint104 balance = state.balance;
        require(amount <= balance, UsageBilling_ThawOverDeposit(amount, balance));

        uint40 thawsAt = amount == 0 ? 0 : uint40(block.timestamp) + THAW_PERIOD;
        state.thawing = amount.toUint104();
        state.thawsAt = thawsAt;
        emit DepositThawing(payer, payee, amount, thawsAt);
    }

    /// @inheritdoc IUsageBilling
    function withdrawDeposit(address payee) external returns (uint256 amount) {
        address payer = _msgSender();
        DepositState memory state = _deposits[payer][payee];
        require(state.thawing != 0, UsageBilling_NothingThawing(payer, payee));
        require(block.timestamp >= state.thawsAt, UsageBilling_StillThawing(state.thawsAt, block.timestamp));

        amount = state.thawing;
        uint104 balance = state.balance - state.thawing;
        _deposits[payer][payee] = DepositState({balance: balance, thawing: 0, thawsAt: 0});
        _credit(payer, amount);
        emit DepositWithdrawn(payer, payee, amount, balance);
    }

    // ---------------------------------------------------------------- revenue

    /// @inheritdoc IUsageBilling
    function collectRevenue(address payee, RegisteredTerms[] calldata collections) external returns (uint256 amount) {
        for (uint256 i = 0; i < collections.length; ++i) {
            CollectionId collection = registry.collectionIdOf(collections[i].registrant, collections[i].terms);
            uint256 revenue = _revenue[collection][payee];
            if (revenue == 0) continue;

            bool shared = collections[i].terms.sharesRoot != 0;
            _revenue[collection][payee] = 0;
            if (shared) _pools[collection].total += revenue.toUint128();
            else amount += revenue;
            emit RevenueCollected(collection, payee, revenue, shared);
        }
        if (amount != 0) _credit(payee, amount);
    }

    /// @inheritdoc IUsageBilling
    function claimShare(
        RegisteredTerms calldata collection,
        Share calldata share,
        uint256 index,
        uint256 count,
        bytes32[] calldata proof
    ) external returns (uint256 amount) {
        CollectionId id = registry.collectionIdOf(collection.registrant, collection.terms);
        bytes32 root = collection.terms.sharesRoot;
        require(root != 0, UsageBilling_NotShared(id));
        bytes32 leaf = Merkle.hashLeaf(abi.encodePacked(SHARE_TAG, share.account, share.parts));
        require(
            Merkle.verifyInclusion(root, count, index, leaf, proof), UsageBilling_InvalidShareProof(id, share.account)
        );
        amount = _takeShare(id, share);
        _credit(share.account, amount);
        emit ShareClaimed(id, share.account, share.parts, amount);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IUsageBilling
    function settledOf(address payer, address payee, CollectionId collection, uint64 lane)
        external
        view
        returns (uint256)
    {
        return StorageSlot.getUint256Slot(keccak256(abi.encode(payer, payee, collection, lane))).value;
    }

    /// @inheritdoc IUsageBilling
    function availableOf(address payer, address payee) external view returns (uint256) {
        return _deposits[payer][payee].balance + _allowed(payer);
    }

    /// @inheritdoc IUsageBilling
    function depositOf(address payer, address payee) external view returns (DepositState memory) {
        return _deposits[payer][payee];
    }

    /// @inheritdoc IUsageBilling
    function spenderOf(address payer, address spender) external view returns (SpenderState memory) {
        return _spenders[payer][spender];
    }

    /// @inheritdoc IUsageBilling
    function revenueOf(CollectionId collection, address payee) external view returns (uint256) {
        return _revenue[collection][payee];
    }

    /// @inheritdoc IUsageBilling
    function poolOf(CollectionId collection) external view returns (PoolState memory) {
        return _pools[collection];
    }

    /// @inheritdoc IUsageBilling
    function claimedOf(CollectionId collection, address account) external view returns (uint256) {
        return _claimed[collection][account];
    }

    /// @inheritdoc IUsageBilling
    function voucherDigest(UsageVoucher calldata voucher) external view returns (bytes32) {
        return _digest(voucher);
    }

    /// @inheritdoc IUsageBilling
    function spenderAuthorizationDigest(SpenderAuthorization calldata authorization) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(AUTHORIZATION_TYPEHASH, authorization)));
    }

    // ---------------------------------------------------------------- internals

    /// @dev Pays a voucher: in full or not at all where `whole`, otherwise as far as it can. It never reverts for what
    /// a payer did. The money is fetched before anything is written, under the reentrancy guard: so nothing has to be
    /// undone where the token refuses, and never is more credited than held.
    /// @return paid What was paid.
    /// @return failure Empty, or the encoded error of why nothing was paid.
    function _settle(SignedVoucher calldata item, bool whole) private returns (uint256 paid, bytes memory failure) {
        UsageVoucher memory voucher = item.voucher;
        address signer = item.signer;
        StorageSlot.Uint256Slot storage lane = StorageSlot.getUint256Slot(_laneOf(voucher));
        uint256 settled = lane.value;
        (paid, failure) = _due(voucher, signer, settled, whole);
        if (failure.length != 0) return (0, failure);
        failure = _unsigned(signer, _digest(voucher), item.signature);
        if (failure.length != 0) return (0, failure);
        uint256 taken;
        (paid, taken, failure) = _fetch(voucher, paid, whole);
        if (failure.length != 0) return (0, failure);

        if (signer != voucher.payer) _spenders[voucher.payer][signer].spent += paid.toUint96();
        // A lane settles no more than its voucher's amount, and there is no more revenue than there are tokens.
        unchecked {
            lane.value = settled + paid;
            _revenue[voucher.collection][voucher.payee] += paid;
        }
        emit VoucherSettled(
            voucher.payer, voucher.payee, voucher.collection, voucher.lane, signer, voucher.records, paid, taken
        );
    }

    /// @dev What the voucher asks for beyond `settled`, if its signer may ask that. Part of it where not `whole` and
    /// the cap of a spender key leaves no more.
    function _due(UsageVoucher memory voucher, address signer, uint256 settled, bool whole)
        private
        view
        returns (uint256 due, bytes memory failure)
    {
        if (block.timestamp > voucher.validUntil) {
            return
                (0, abi.encodeWithSelector(UsageBilling_VoucherExpired.selector, voucher.validUntil, block.timestamp));
        }
        if (voucher.amount <= settled) {
            return (0, abi.encodeWithSelector(UsageBilling_NothingDue.selector, voucher.amount, settled));
        }
        unchecked {
            due = voucher.amount - settled;
        }
        if (signer == voucher.payer) return (due, failure);

        SpenderState memory spender = _spenders[voucher.payer][signer];
        if (block.timestamp >= spender.expiry) {
            return (0, _notAuthorized(voucher.payer, signer, spender.expiry));
        }
        uint256 left = spender.cap - spender.spent;
        if (due > left) {
            if (whole || left == 0) {
                return (0, abi.encodeWithSelector(UsageBilling_CapExceeded.selector, due, left));
            }
            due = left;
        }
    }

    function _notAuthorized(address payer, address spender, uint40 expiry) private pure returns (bytes memory) {
        return abi.encodeWithSelector(UsageBilling_SpenderNotAuthorized.selector, payer, spender, expiry);
    }

    /// @dev Empty where `signer` signed `digest`.
    function _unsigned(address signer, bytes32 digest, bytes calldata signature)
        private
        view
        returns (bytes memory failure)
    {
        (Signatures.Verdict verdict, bytes32 s) = Signatures.check(signer, digest, signature);
        if (verdict == Signatures.Verdict.VALID) return failure;
        return verdict == Signatures.Verdict.MALLEABLE
            ? abi.encodeWithSelector(Signatures.Signatures_MalleableSignature.selector, s)
            : abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, signer);
    }

    /// @dev keccak256(abi.encode(payer, payee, collection, lane)): the first four words of a voucher.
    function _laneOf(UsageVoucher memory voucher) private pure returns (bytes32 lane) {
        assembly ("memory-safe") {
            lane := keccak256(voucher, 0x80)
        }
    }

    /// @dev EIP-712 digest. The struct is hashed where it lies: the word before it holds the type for a moment.
    function _digest(UsageVoucher memory voucher) private view returns (bytes32) {
        bytes32 typehash = VOUCHER_TYPEHASH;
        bytes32 structHash;
        assembly ("memory-safe") {
            let start := sub(voucher, 0x20)
            let kept := mload(start)
            mstore(start, typehash)
            structHash := keccak256(start, 0x120)
            mstore(start, kept)
        }
        return _hashTypedDataV4(structHash);
    }

    /// @dev Takes `due`, or where not `whole` what there is of it: the deposit first where the voucher says so, the
    /// rest from the allowance.
    /// @return paid What was taken in all.
    /// @return taken What of it was taken from the deposit.
    /// @return failure Empty, or the encoded error of why nothing was paid.
    function _fetch(UsageVoucher memory voucher, uint256 due, bool whole)
        private
        returns (uint256 paid, uint256 taken, bytes memory failure)
    {
        if (!voucher.fromDeposit) {
            (paid, failure) = _fetchAllowed(voucher.payer, due, 0, whole);
            return (paid, 0, failure);
        }

        DepositState storage state = _deposits[voucher.payer][voucher.payee];
        uint256 balance = state.balance;
        taken = Math.min(due, balance);
        paid = taken;
        if (taken < due) {
            (paid, failure) = _fetchAllowed(voucher.payer, due, taken, whole);
            if (failure.length != 0) return (0, 0, failure);
        }
        if (taken != 0) _takeDeposit(state, balance, taken);
    }

    /// @dev Pulls `due - taken` from the allowance, or where not `whole` what there is of it.
    /// @return paid With what was taken from the deposit.
    function _fetchAllowed(address payer, uint256 due, uint256 taken, bool whole)
        private
        returns (uint256 paid, bytes memory failure)
    {
        uint256 missing = due - taken;
        if (_pull(payer, missing)) return (due, failure);
        // Asked only where the whole was refused: the usual case pays for no look.
        uint256 allowed = Math.min(_allowed(payer), missing);
        if (!whole && allowed != 0 && allowed < missing && _pull(payer, allowed)) return (taken + allowed, failure);
        if (!whole && taken != 0) return (taken, failure);
        failure = abi.encodeWithSelector(UsageBilling_NotPaid.selector, payer, due, taken + allowed);
    }

    /// @dev Takes `amount` of a deposit of `balance`. What thaws stays the last to be taken.
    function _takeDeposit(DepositState storage state, uint256 balance, uint256 amount) private {
        uint104 rest = (balance - amount).toUint104();
        state.balance = rest;
        if (state.thawing > rest) state.thawing = rest;
    }

    function _deposit(address payer, address payee, uint256 amount) private {
        require(amount != 0, UsageBilling_ZeroAmount());
        uint104 balance = (_deposits[payer][payee].balance + amount).toUint104();
        _deposits[payer][payee].balance = balance;
        emit Deposited(payer, payee, amount, balance);
        token.safeTransferFrom(payer, address(this), amount);
    }

    /// @dev What `share` still has to get of its pool. A tree that promises more than the whole is paid first come,
    /// first served: no pool pays what another one holds.
    function _takeShare(CollectionId collection, Share calldata share) private returns (uint256 amount) {
        PoolState storage pool = _pools[collection];
        uint256 claimed = _claimed[collection][share.account];
        uint256 entitled = uint256(pool.total) * share.parts / SHARES_TOTAL;
        amount = entitled > claimed ? Math.min(entitled - claimed, pool.total - pool.claimed) : 0;
        require(amount != 0, UsageBilling_NothingToClaim(collection, share.account));
        _claimed[collection][share.account] = claimed + amount;
        pool.claimed += amount.toUint128();
    }

    /// @dev transferFrom with bounded gas and return data. False where the token reverts or answers false.
    function _pull(address payer, uint256 amount) private returns (bool success) {
        address target = address(token);
        bytes4 selector = IERC20.transferFrom.selector;
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, selector)
            mstore(add(data, 0x04), payer)
            mstore(add(data, 0x24), address())
            mstore(add(data, 0x44), amount)
            success := call(TOKEN_GAS, target, 0, data, 0x64, 0x00, 0x20)
            // A token may answer nothing; if it answers, it has to be true.
            switch returndatasize()
            case 0 { success := and(success, gt(extcodesize(target), 0)) }
            default { success := and(success, and(gt(returndatasize(), 0x1f), eq(mload(0x00), 1))) }
        }
    }

    /// @dev min(allowance, balance) of a payer; 0 where the token doesn't say.
    function _allowed(address payer) private view returns (uint256) {
        return Math.min(
            _ask(abi.encodeCall(IERC20.allowance, (payer, address(this)))),
            _ask(abi.encodeCall(IERC20.balanceOf, (payer)))
        );
    }

    function _ask(bytes memory data) private view returns (uint256 answer) {
        address target = address(token);
        assembly ("memory-safe") {
            let success := staticcall(TOKEN_GAS, target, add(data, 0x20), mload(data), 0x00, 0x20)
            if and(success, gt(returndatasize(), 0x1f)) { answer := mload(0x00) }
        }
    }
}
