// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CollectionTerms} from "./Collection.sol";
import {CollectionId} from "./Ids.sol";

// What the shares of one collection add up to: `Share.parts` are thousand-millionths.
uint32 constant SHARES_TOTAL = 1_000_000_000;

/// @notice A payer's promise to pay for what was used, cumulative per (payer, payee, collection, lane).
/// EIP-712: UsageVoucher(address payer,address payee,bytes32 collection,uint64 lane,uint128 amount,uint64 records,
/// uint40 validUntil,bool fromDeposit)
struct UsageVoucher {
    address payer;
    address payee;
    CollectionId collection;
    /// Any number; lanes let one payer read in parallel without ordering its promises.
    uint64 lane;
    /// What is promised in this lane since its beginning, in the token's smallest unit.
    uint128 amount;
    /// Records that were read in this lane since its beginning. The contract only reports it.
    uint64 records;
    /// Last second in which it can be settled.
    uint40 validUntil;
    /// Whether the deposit for the payee is taken first and the allowance for the rest; otherwise the allowance alone.
    bool fromDeposit;
}

/// @notice A voucher as it is landed.
struct SignedVoucher {
    UsageVoucher voucher;
    /// The payer, or a spender key that the payer authorized.
    address signer;
    bytes signature;
}

/// @notice A payer's word that a key may sign vouchers for it.
/// EIP-712: SpenderAuthorization(address payer,address spender,uint96 cap,uint40 expiry,uint24 nonce)
struct SpenderAuthorization {
    address payer;
    address spender;
    /// The most that is settled by this key under this authorization, over all payees and lanes.
    uint96 cap;
    /// The key counts before this time.
    uint40 expiry;
    /// `spenderOf(payer, spender).nonce`: each is used once, a revocation uses one up.
    uint24 nonce;
}

/// @notice What the contract keeps of a (payer, spender).
struct SpenderState {
    // slot 1
    uint96 cap;
    uint96 spent;
    uint40 expiry; // 0 where revoked or never authorized
    uint24 nonce; // of the next authorization
}

/// @notice Money of a payer that is earmarked to one payee.
struct DepositState {
    // slot 1
    uint104 balance; // with what is thawing: vouchers may still take it
    uint104 thawing; // never more than the balance
    uint40 thawsAt; // when what is thawing may be taken out; 0 where nothing is
}

/// @notice Revenue of a collection that its contributors share.
struct PoolState {
    // slot 1
    uint128 total; // all that ever came in
    uint128 claimed; // never more than the total
}

/// @notice What a collection was registered with. Proves its shares root, as the id is its hash.
struct RegisteredTerms {
    address registrant;
    CollectionTerms terms;
}

/// @notice A leaf of the shares tree, the RFC 9162 SHA-256 tree whose root is `CollectionTerms.sharesRoot`.
/// Leaf data = "offsetdata.share" (16 bytes) ‖ account (20) ‖ parts (4, big-endian). An account has one leaf.
struct Share {
    address account;
    /// Of SHARES_TOTAL.
    uint32 parts;
}
