// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessPolicy} from "../interfaces/IAccessPolicy.sol";
import {CollectionId} from "./Ids.sol";

/// @notice What an access token allows. Neither right implies the other.
enum Right {
    READ,
    TRAIN
}

// The expiry of a right that holds for ever.
uint40 constant FOR_EVER = type(uint40).max;

/// @notice How a publisher sells one right to one collection. It may be timed, metered or both.
struct Offer {
    /// Price of one period in the token's smallest unit; 0 is free. Only where `timed`.
    uint128 price;
    /// Price of one record under vouchers (READ) or training requests (TRAIN); 0 is free. Only where `metered`.
    uint128 pricePerRecord;
    /// Who is paid. Fixed for a purchase when it is made.
    address payee;
    /// Seconds that one purchase lasts, 0 for ever. At most 2^32 - 1.
    uint40 duration;
    /// Seconds in which unused money can be taken back, 0 for none. At most 2^32 - 1.
    uint40 refundWindow;
    /// Whether the right can be bought for `duration`.
    bool timed;
    /// Whether whoever the policy admits holds the right against payment per record.
    bool metered;
    /// Who may buy or be metered; zero admits everyone who is not denied.
    IAccessPolicy policy;
}

/// @notice What the contract keeps of an offer.
struct OfferState {
    // slot 1
    uint128 price;
    uint128 pricePerRecord;
    // slot 2
    address payee;
    uint32 duration;
    uint32 refundWindow;
    bool timed;
    bool metered;
    bool gated; // whether slot 3 has to be read
    // slot 3
    IAccessPolicy policy;
}

/// @notice What one account holds of one (collection, right).
struct Access {
    // slot 1
    uint128 paid; // of which the unexpired share returns on revocation
    uint40 since; // when the present period began, names the purchase
    uint40 expiry; // no longer valid at this time; FOR_EVER; 0 where nothing is held
    uint40 refundUntil; // last second of the refund window; 0 where no money is held back
    bool denied; // beats everything; the same in both rights of a collection
    // slot 2
    address payee; // whom the money held back is for; zero where there is none
}

/// @notice The holder's word that it used what it bought: ends the refund window of that purchase.
/// EIP-712 type `AccessUsed(bytes32 collection,uint8 right,address holder,uint40 since)`.
struct AccessUse {
    CollectionId collection;
    Right right;
    address holder;
    /// `since` of the purchase, so that the word does not count for a later one.
    uint40 since;
}

/// @notice The worst terms that a buyer takes, so that an offer changed in between can't surprise it.
struct BuyLimits {
    /// The most that it will pay.
    uint128 maxPrice;
    /// The least seconds that it will pay for; FOR_EVER where only that will do.
    uint40 minDuration;
    /// The shortest refund window that it will take.
    uint40 minRefundWindow;
}

/// @notice A purchase that the buyer signed as one ERC-3009 `ReceiveWithAuthorization` of `limits.maxPrice` to the
/// contract, whose nonce is `buyNonceOf` these terms.
struct BuyAuthorization {
    address buyer;
    CollectionId collection;
    Right right;
    /// `maxPrice` is the value of the authorization. What the price leaves of it is credited to the buyer.
    BuyLimits limits;
    uint256 validAfter;
    uint256 validBefore;
    /// Lets one buyer sign equal purchases twice.
    bytes32 salt;
}
