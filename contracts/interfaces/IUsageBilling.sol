// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    DepositState,
    PoolState,
    RegisteredTerms,
    Share,
    SignedVoucher,
    SpenderAuthorization,
    SpenderState,
    UsageVoucher
} from "../types/Billing.sol";
import {CollectionId} from "../types/Ids.sol";
import {ICollectionRegistry} from "./ICollectionRegistry.sol";
import {ICredits} from "./ICredits.sol";

/// @title UsageBilling
/// @notice Pays for what was used, by signed cumulative vouchers: from a deposit earmarked to the payee, or with
/// nothing up front from the payer's allowance. It decides no credit and knows no price, record or key: how far a
/// reader is trusted is the gateway's policy. The settlement token must move exactly the amount it is told.
interface IUsageBilling is ICredits {
    // ---------------------------------------------------------------- events

    /// @notice Emitted when a voucher is paid, in full or in part. What a lane has settled is the sum of its `paid`; what
    /// of `paid` came from the deposit is `depositTaken`, the rest came from the allowance.
    event VoucherSettled(
        address indexed payer,
        address indexed payee,
        CollectionId indexed collection,
        uint64 lane,
        address signer,
        uint64 records,
        uint256 paid,
        uint256 depositTaken
    );

    /// @notice Emitted for each voucher of a batch that could not be paid at all; `reason` is the error's selector.
    event VoucherSkipped(
        address indexed payer,
        address indexed payee,
        CollectionId indexed collection,
        uint64 lane,
        uint128 amount,
        bytes4 reason
    );

    /// @notice Emitted when a payer's authorization of a key lands. What was spent before no longer counts.
    event SpenderAuthorized(address indexed payer, address indexed spender, uint96 cap, uint40 expiry, uint24 nonce);

    /// @notice Emitted when a payer revokes a key. `nonce` is that of the next authorization.
    event SpenderRevoked(address indexed payer, address indexed spender, uint24 nonce);

    /// @notice Emitted when a payer adds to its deposit for a payee.
    event Deposited(address indexed payer, address indexed payee, uint256 amount, uint256 balance);

    /// @notice Emitted when a payer gives notice of taking `amount` out. Zero takes the notice back.
    event DepositThawing(address indexed payer, address indexed payee, uint256 amount, uint40 thawsAt);

    /// @notice Emitted when thawed money is credited to the payer.
    event DepositWithdrawn(address indexed payer, address indexed payee, uint256 amount, uint256 balance);

    /// @notice Emitted when revenue is credited to its payee or, where `shared`, to the contributors' pool.
    event RevenueCollected(CollectionId indexed collection, address indexed payee, uint256 amount, bool shared);

    /// @notice Emitted when a contributor is credited its share.
    event ShareClaimed(CollectionId indexed collection, address indexed account, uint32 parts, uint256 amount);

    // ---------------------------------------------------------------- errors

    /// @notice Thrown when the voucher's last second is over.
    error UsageBilling_VoucherExpired(uint40 validUntil, uint256 time);

    /// @notice Thrown when the voucher promises no more than its lane has settled: it is a replay or an older one.
    error UsageBilling_NothingDue(uint256 amount, uint256 settled);

    /// @notice Thrown when the payer has not authorized this key, has revoked it or it is over (`expiry`).
    error UsageBilling_SpenderNotAuthorized(address payer, address spender, uint40 expiry);

    /// @notice Thrown when more is due than the key's cap leaves.
    error UsageBilling_CapExceeded(uint256 due, uint256 left);

    /// @notice Thrown when what the voucher may take of deposit, allowance and balance does not pay what is due, or
    /// the token refuses.
    error UsageBilling_NotPaid(address payer, uint256 due, uint256 available);

    /// @notice Thrown when an authorization does not carry the next nonce: it was used, revoked or comes too early.
    error UsageBilling_WrongNonce(uint24 actual, uint24 expected);

    /// @notice Thrown when an authorization is over when it lands.
    error UsageBilling_AuthorizationExpired(uint40 expiry, uint256 time);

    /// @notice Thrown when nothing would be deposited.
    error UsageBilling_ZeroAmount();

    /// @notice Thrown when more is to thaw than the deposit holds.
    error UsageBilling_ThawOverDeposit(uint256 actual, uint256 balance);

    /// @notice Thrown when nothing is thawing.
    error UsageBilling_NothingThawing(address payer, address payee);

    /// @notice Thrown when the notice period is not over.
    error UsageBilling_StillThawing(uint40 thawsAt, uint256 time);

    /// @notice Thrown when the collection has no shares root.
    error UsageBilling_NotShared(CollectionId collection);

    /// @notice Thrown when the proof does not lead from the share to the shares root.
    error UsageBilling_InvalidShareProof(CollectionId collection, address account);

    /// @notice Thrown when the account has claimed its share of all that was collected.
    error UsageBilling_NothingToClaim(CollectionId collection, address account);

    // ---------------------------------------------------------------- settle

    /// @notice Pays a voucher in full or reverts with the reason. Anyone may land it. The deposit is asked only where
    /// the voucher says so: who pays with nothing up front pays for no look at it.
    function settle(SignedVoucher calldata item) external returns (uint256 paid);

    /// @notice Pays of each voucher what is due and available. No voucher makes it revert: what can't be paid is
    /// skipped with its reason. Anyone may land them.
    /// @return paid Total over all vouchers.
    function settleBatch(SignedVoucher[] calldata items) external returns (uint256 paid);

    // ---------------------------------------------------------------- spender keys

    /// @notice Lands a payer's authorization of a key. It replaces the one before. Anyone may.
    function authorizeSpender(SpenderAuthorization calldata authorization, bytes calldata signature) external;

    /// @notice Revokes a key of the caller, and an authorization of it that has not landed.
    function revokeSpender(address spender) external;

    // ---------------------------------------------------------------- deposit

    /// @notice Adds to the caller's deposit for `payee` from its allowance.
    function deposit(address payee, uint256 amount) external;

    /// @notice The same with an ERC-2612 permit of the caller. A permit that landed already is no error.
    function depositWithPermit(address payee, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Gives notice of taking `amount` out of the deposit for `payee`; the period begins anew. Zero takes the
    /// notice back. Vouchers may take what is thawing until it is withdrawn.
    function thaw(address payee, uint256 amount) external;

    /// @notice Credits the caller with what has thawed.
    function withdrawDeposit(address payee) external returns (uint256 amount);

    // ---------------------------------------------------------------- revenue

    /// @notice Credits `payee` with its revenue from collections without shares; that of collections with shares goes
    /// to their contributors' pools. Anyone may.
    /// @param collections What they were registered with.
    function collectRevenue(address payee, RegisteredTerms[] calldata collections) external returns (uint256 amount);

    /// @notice Credits a contributor with its part of all that came into the pool, less what it claimed. Anyone may.
    /// @param share The leaf.
    /// @param index Position of the leaf, from 0.
    /// @param count Number of leaves.
    /// @param proof Sibling hashes from the leaf up (RFC 9162, 2.1.3).
    function claimShare(
        RegisteredTerms calldata collection,
        Share calldata share,
        uint256 index,
        uint256 count,
        bytes32[] calldata proof
    ) external returns (uint256 amount);

    // ---------------------------------------------------------------- views

    /// @notice Seconds between `thaw` and `withdrawDeposit`.
    function THAW_PERIOD() external view returns (uint40);

    /// @notice The registry that names collections.
    function registry() external view returns (ICollectionRegistry);

    /// @notice What a lane has settled.
    function settledOf(address payer, address payee, CollectionId collection, uint64 lane)
        external
        view
        returns (uint256);

    /// @notice Deposit and min(allowance, balance): what a voucher could take now.
    function availableOf(address payer, address payee) external view returns (uint256);

    /// @notice The deposit of a payer for a payee.
    function depositOf(address payer, address payee) external view returns (DepositState memory);

    /// @notice What is kept of a payer's key.
    function spenderOf(address payer, address spender) external view returns (SpenderState memory);

    /// @notice Revenue of a payee from a collection that was not collected yet.
    function revenueOf(CollectionId collection, address payee) external view returns (uint256);

    /// @notice The contributors' pool of a collection.
    function poolOf(CollectionId collection) external view returns (PoolState memory);

    /// @notice What a contributor has claimed from a pool.
    function claimedOf(CollectionId collection, address account) external view returns (uint256);

    /// @notice The EIP-712 digest that the payer or a spender signs.
    function voucherDigest(UsageVoucher calldata voucher) external view returns (bytes32);

    /// @notice The EIP-712 digest that the payer signs.
    function spenderAuthorizationDigest(SpenderAuthorization calldata authorization) external view returns (bytes32);
}
