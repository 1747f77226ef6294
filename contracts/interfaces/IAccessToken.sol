// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";

import {Access, AccessUse, BuyAuthorization, BuyLimits, Offer, Right} from "../types/Access.sol";
import {CollectionId} from "../types/Ids.sol";
import {ICredits} from "./ICredits.sol";

/// @title AccessToken
/// @notice Rights to collections as an ERC-1155 whose balances are 0 or 1, bound to the holder, and the money paid
/// for them beforehand. It knows no key and no record, and takes nothing for metered use: that is UsageBilling.
///
/// Token id = uint256(keccak256(abi.encode(collection, right))). Balances are computed live: they fall to 0 at expiry
/// without an event. `TransferSingle` is emitted when a grant, purchase, refund, revocation or denial changes a
/// balance. Tokens are not transferable, nobody can be approved, and, as nothing can be lost in a contract, receivers
/// are not called. The settlement token must move exactly the amount it is told.
interface IAccessToken is ICredits, IERC1155 {
    // ---------------------------------------------------------------- events

    /// @notice Emitted when the publisher sets an offer. It replaces the one before.
    event OfferSet(CollectionId indexed collection, Right indexed right, Offer offer);

    /// @notice Emitted when the publisher withdraws an offer. Rights that were bought stay.
    event OfferCleared(CollectionId indexed collection, Right indexed right);

    /// @notice Emitted when the publisher grants a right or extends one.
    event AccessGranted(
        CollectionId indexed collection, Right indexed right, address indexed holder, uint40 since, uint40 expiry
    );

    /// @notice Emitted when a right is bought. `refundUntil` is 0 where the payee was credited at once.
    event AccessBought(
        CollectionId indexed collection,
        Right indexed right,
        address indexed holder,
        uint128 price,
        address payee,
        uint40 since,
        uint40 expiry,
        uint40 refundUntil
    );

    /// @notice Emitted when `amount`, what a buyer authorized beyond the price, is credited to it.
    event ChangeCredited(address indexed buyer, uint256 amount);

    /// @notice Emitted when the holder's word of use lands: the money is no longer refundable.
    event AccessUseLanded(CollectionId indexed collection, Right indexed right, address indexed holder, uint40 since);

    /// @notice Emitted when money that was held back is credited to the payee.
    event AccessReleased(
        CollectionId indexed collection, Right indexed right, address indexed holder, address payee, uint256 amount
    );

    /// @notice Emitted when the holder takes back the money of an unused purchase. The right is gone.
    event AccessRefunded(CollectionId indexed collection, Right indexed right, address indexed holder, uint256 amount);

    /// @notice Emitted when the publisher revokes a right. `refund` was credited to the holder.
    event AccessRevoked(CollectionId indexed collection, Right indexed right, address indexed holder, uint256 refund);

    /// @notice Emitted when the publisher denies an account every right to a collection, or takes that back.
    event AccessDenied(CollectionId indexed collection, address indexed account, bool denied);

    /// @notice Emitted when the publisher trusts a worker with a trainer (zero digest: any), or takes that back.
    event TrainerSet(
        CollectionId indexed collection, address indexed worker, bytes32 indexed trainerDigest, bool trusted
    );

    // ---------------------------------------------------------------- errors

    /// @notice Thrown when the caller is not the publisher of the collection (zero: no such collection).
    error AccessToken_NotPublisher(address caller, address publisher);

    /// @notice Thrown when a new offer or right is asked of a retired collection.
    error AccessToken_CollectionRetired(CollectionId collection);

    /// @notice Thrown when an offer is neither timed nor metered, has no payee, a price for a mode that it lacks, a
    /// refund window without a price or a time over 2^32 - 1 seconds.
    error AccessToken_InvalidOffer();

    /// @notice Thrown when the right is not for sale.
    error AccessToken_NotOffered(CollectionId collection, Right right);

    /// @notice Thrown when the price is over what the buyer is ready to pay.
    error AccessToken_PriceAboveMaximum(uint256 price, uint256 maximum);

    /// @notice Thrown when the offer lasts shorter than the buyer takes. FOR_EVER stands for ever.
    error AccessToken_DurationBelowMinimum(uint256 duration, uint256 minimum);

    /// @notice Thrown when the offer's refund window is shorter than the buyer takes.
    error AccessToken_RefundWindowBelowMinimum(uint256 refundWindow, uint256 minimum);

    /// @notice Thrown when the policy of the offer does not admit the account.
    error AccessToken_NotAdmitted(CollectionId collection, Right right, address account);

    /// @notice Thrown when the publisher denied the account.
    error AccessToken_Denied(CollectionId collection, address account);

    /// @notice Thrown when the account holds the right for ever already.
    error AccessToken_AlreadyHeld(address holder);

    /// @notice Thrown when the right can't be renewed yet, as the money of the last purchase is refundable `until` then.
    error AccessToken_StillRefundable(address holder, uint40 until);

    /// @notice Thrown when no money is held back for this holder.
    error AccessToken_NothingHeld(address holder);

    /// @notice Thrown when the refund window ended at `until`.
    error AccessToken_RefundWindowOver(uint40 until);

    /// @notice Thrown when the word of use names another purchase than the present one.
    error AccessToken_PurchaseMismatch(uint40 expected, uint40 actual);

    /// @notice Thrown when a grant would have ended already.
    error AccessToken_ExpiryInPast(uint40 expiry, uint256 time);

    /// @notice Thrown when the account holds no TRAIN right.
    error AccessToken_NoTrainingRight(CollectionId collection, address account);

    /// @notice Thrown when a token is moved or somebody is approved: rights are bound to their holder.
    error AccessToken_NotTransferable();

    /// @notice Thrown when two lists differ in length.
    error AccessToken_LengthMismatch(uint256 expected, uint256 actual);

    // ---------------------------------------------------------------- offer

    /// @notice Offers a right, or changes the terms for later purchases. Publisher only, not once retired.
    function setOffer(CollectionId collection, Right right, Offer calldata offer) external;

    /// @notice Withdraws an offer. Publisher only.
    function clearOffer(CollectionId collection, Right right) external;

    // ---------------------------------------------------------------- grant

    /// @notice Grants a right free of charge. Never shortens one that is held. Publisher only, not once retired.
    /// @param expiry When it ends, `FOR_EVER` for never.
    function grant(CollectionId collection, Right right, address[] calldata holders, uint40 expiry) external;

    /// @notice Revokes rights; who holds none is passed over. Publisher only.
    /// Of what a holder paid it is credited all where it may still ask it back, else the share of the unexpired time
    /// (all, where the right was for ever). Money that the payee has already is made good by the publisher from its
    /// allowance to this contract; without that the call reverts.
    function revoke(CollectionId collection, Right right, address[] calldata holders) external;

    /// @notice Denies accounts every right to the collection, metered or held, or takes that back. Publisher only.
    /// Rights that a denied account holds are revoked as by `revoke`, with the money that returns.
    function setDenied(CollectionId collection, address[] calldata accounts, bool denied) external;

    /// @notice Trusts a worker with a trainer on this collection, or takes that back. Publisher only.
    /// @param trainerDigest The trainer's digest, zero for any code of that worker.
    function setTrainer(CollectionId collection, address worker, bytes32 trainerDigest, bool trusted) external;

    // ---------------------------------------------------------------- buy

    /// @notice Buys the right for the caller, paid by allowance. A right that is held is prolonged by the offer's
    /// duration; where it was bought before, the payee is credited at once, as the buyer knows what it buys.
    /// @param limits The worst terms that the caller takes.
    function buy(CollectionId collection, Right right, BuyLimits calldata limits) external;

    /// @notice `buy` with an ERC-2612 permit of `limits.maxPrice` to this contract. A permit that landed already is no error.
    function buyWithPermit(
        CollectionId collection,
        Right right,
        BuyLimits calldata limits,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice `buy` for whoever signed the ERC-3009 authorization. Anyone may land it; the buyer needs no ETH.
    /// @param signature The buyer's, in any form that the token takes (65 bytes for an account with a key).
    function buyWithAuthorization(BuyAuthorization calldata purchase, bytes calldata signature) external;

    // ---------------------------------------------------------------- settle a purchase

    /// @notice Lands the holder's signed word of use and credits the payee. Anyone may. Contracts sign by ERC-1271.
    function landUse(AccessUse calldata use, bytes calldata signature) external;

    /// @notice Gives up an unused purchase within the refund window; the caller is credited all that it paid.
    function refund(CollectionId collection, Right right) external;

    /// @notice Credits the payees for purchases whose refund window is over; others are passed over. Anyone may.
    /// @return released Total credited.
    function release(CollectionId collection, Right right, address[] calldata holders)
        external
        returns (uint256 released);

    // ---------------------------------------------------------------- views

    /// @notice The ERC-1155 id of (collection, right).
    function tokenIdOf(CollectionId collection, Right right) external pure returns (uint256);

    /// @notice Whether the account has the right now: by token, or by a metered offer that admits it while the
    /// collection is not retired. Never where it is denied.
    function hasAccess(CollectionId collection, address account, Right right) external view returns (bool);

    /// @notice What is kept of (collection, right, holder), all zero where it never held one.
    function accessOf(CollectionId collection, Right right, address holder) external view returns (Access memory);

    /// @notice Whether the publisher denied the account.
    function isDenied(CollectionId collection, address account) external view returns (bool);

    /// @notice The present offer, all zero where there is none.
    function offerOf(CollectionId collection, Right right) external view returns (Offer memory);

    /// @notice Whether the publisher trusts this worker with this trainer on the collection.
    function isTrustedTrainer(CollectionId collection, address worker, bytes32 trainerDigest)
        external
        view
        returns (bool);

    /// @notice What a training request of `user` pays for each record of the collection, and to whom.
    /// 0 to a holder of the TRAIN token, else the metered price. Reverts with the reason where the user may not.
    function trainingTerms(CollectionId collection, address user)
        external
        view
        returns (uint128 pricePerRecord, address payee);

    /// @notice The ERC-3009 nonce of a purchase: keccak256(abi.encode(BUY_TYPEHASH, chain id, this contract, buyer,
    /// collection, right, limits, salt)).
    function buyNonceOf(address buyer, CollectionId collection, Right right, BuyLimits calldata limits, bytes32 salt)
        external
        view
        returns (bytes32);

    /// @notice The EIP-712 digest that the holder signs.
    function accessUseDigest(AccessUse calldata use) external view returns (bytes32);
}
