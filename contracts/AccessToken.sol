// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {BoundToken} from "./BoundToken.sol";
import {Credits} from "./Credits.sol";
import {IAccessPolicy} from "./interfaces/IAccessPolicy.sol";
import {IAccessToken} from "./interfaces/IAccessToken.sol";
import {ICollectionRegistry} from "./interfaces/ICollectionRegistry.sol";
import {IReceiveWithAuthorization} from "./interfaces/IReceiveWithAuthorization.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {Access, AccessUse, BuyAuthorization, BuyLimits, FOR_EVER, Offer, OfferState, Right} from "./types/Access.sol";
import {CollectionState} from "./types/Collection.sol";
import {CollectionId} from "./types/Ids.sol";

/// @title AccessToken
/// @notice One record per (collection, right, holder) answers for balance, expiry, refund and denial.
/// Money held back for a holder equals its `paid` exactly where its `refundUntil` is not 0; all else is credit.
contract AccessToken is BoundToken, Credits, EIP712 {
    using SafeERC20 for IERC20;

    /// @notice Gas that a policy may use to answer.
    uint256 public constant POLICY_GAS = 100_000;

    /// @notice EIP-712 type of the holder's word of use.
    bytes32 public constant ACCESS_USED_TYPEHASH =
        keccak256("AccessUsed(bytes32 collection,uint8 right,address holder,uint40 since)");

    /// @notice First word of what a purchase's ERC-3009 nonce hashes.
    bytes32 public constant BUY_TYPEHASH = keccak256(
        "Buy(uint256 chainId,address accessToken,address buyer,bytes32 collection,uint8 right,uint128 maxPrice,uint40 minDuration,uint40 minRefundWindow,bytes32 salt)"
    );

    ICollectionRegistry public immutable registry;

    mapping(uint256 tokenId => OfferState offer) private _offers;
    mapping(uint256 tokenId => mapping(address holder => Access access)) private _access;
    mapping(CollectionId collection => mapping(address worker => mapping(bytes32 trainerDigest => bool trusted)))
        private _trainers;

    constructor(IERC20 token_, ICollectionRegistry registry_, address forwarder)
        Credits(token_, forwarder)
        EIP712("Offsetdata AccessToken", "1")
    {
        registry = registry_;
    }

    // ---------------------------------------------------------------- offer

    /// @inheritdoc IAccessToken
    function setOffer(CollectionId collection, Right right, Offer calldata offer) external {
        _requireOpen(collection, _requirePublisher(collection));
        require(
            (offer.timed || offer.metered) && offer.payee != address(0)
                && (offer.timed || (offer.price == 0 && offer.duration == 0))
                && (offer.metered || offer.pricePerRecord == 0) && (offer.price != 0 || offer.refundWindow == 0)
                && offer.duration <= type(uint32).max && offer.refundWindow <= type(uint32).max,
            AccessToken_InvalidOffer()
        );

        _offers[tokenIdOf(collection, right)] = OfferState({
            price: offer.price,
            pricePerRecord: offer.pricePerRecord,
            payee: offer.payee,
            duration: uint32(offer.duration),
            refundWindow: uint32(offer.refundWindow),
            timed: offer.timed,
            metered: offer.metered,
            gated: address(offer.policy) != address(0),
            policy: offer.policy
        });
        emit OfferSet(collection, right, offer);
    }

    /// @inheritdoc IAccessToken
    function clearOffer(CollectionId collection, Right right) external {
        _requirePublisher(collection);
        uint256 id = tokenIdOf(collection, right);
        require(_offers[id].payee != address(0), AccessToken_NotOffered(collection, right));

        delete _offers[id];
        emit OfferCleared(collection, right);
    }

    // ---------------------------------------------------------------- grant

    /// @inheritdoc IAccessToken
    function grant(CollectionId collection, Right right, address[] calldata holders, uint40 expiry) external {
        _requireOpen(collection, _requirePublisher(collection));
        require(expiry > block.timestamp, AccessToken_ExpiryInPast(expiry, block.timestamp));
        uint256 id = tokenIdOf(collection, right);
        for (uint256 i = 0; i < holders.length; ++i) {
            address holder = holders[i];
            Access storage access = _access[id][holder];
            require(!access.denied, AccessToken_Denied(collection, holder));
            uint40 before = access.expiry;
            if (before >= expiry) continue;

            bool live = before > block.timestamp;
            // A purchase that ran out: its money goes where it belongs, or stays refundable under its own name.
            if (!live && (access.refundUntil == 0 || _releaseIfDue(collection, right, holder, access) != 0)) {
                access.since = uint40(block.timestamp);
                access.paid = 0;
            }
            access.expiry = expiry;
            emit AccessGranted(collection, right, holder, access.since, expiry);
            if (!live) _emitMint(_msgSender(), holder, id);
        }
    }

    /// @inheritdoc IAccessToken
    function revoke(CollectionId collection, Right right, address[] calldata holders) external nonReentrant {
        _requirePublisher(collection);
        uint256 owed = 0;
        for (uint256 i = 0; i < holders.length; ++i) {
            owed += _revoke(collection, right, holders[i]);
        }
        // From whoever calls: `_msgSender` is the caller, or whom the trusted forwarder heard.
        // slither-disable-next-line arbitrary-send-erc20
        if (owed != 0) token.safeTransferFrom(_msgSender(), address(this), owed);
    }

    /// @inheritdoc IAccessToken
    function setDenied(CollectionId collection, address[] calldata accounts, bool denied) external nonReentrant {
        _requirePublisher(collection);
        uint256 owed = 0;
        for (uint256 i = 0; i < accounts.length; ++i) {
            address account = accounts[i];
            if (denied) {
                owed += _revoke(collection, Right.READ, account);
                owed += _revoke(collection, Right.TRAIN, account);
            }
            _access[tokenIdOf(collection, Right.READ)][account].denied = denied;
            _access[tokenIdOf(collection, Right.TRAIN)][account].denied = denied;
            emit AccessDenied(collection, account, denied);
        }
        // From whoever calls: `_msgSender` is the caller, or whom the trusted forwarder heard.
        // slither-disable-next-line arbitrary-send-erc20
        if (owed != 0) token.safeTransferFrom(_msgSender(), address(this), owed);
    }

    /// @inheritdoc IAccessToken
    function setTrainer(CollectionId collection, address worker, bytes32 trainerDigest, bool trusted) external {
        _requirePublisher(collection);
        _trainers[collection][worker][trainerDigest] = trusted;
        emit TrainerSet(collection, worker, trainerDigest, trusted);
    }

    // ---------------------------------------------------------------- buy

    /// @inheritdoc IAccessToken
    function buy(CollectionId collection, Right right, BuyLimits calldata limits) external nonReentrant {
        address buyer = _msgSender();
        uint256 price = _buy(buyer, collection, right, limits);
        // The buyer is the caller.
        // slither-disable-next-line arbitrary-send-erc20
        if (price != 0) token.safeTransferFrom(buyer, address(this), price);
    }

    /// @inheritdoc IAccessToken
    function buyWithPermit(
        CollectionId collection,
        Right right,
        BuyLimits calldata limits,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant {
        address buyer = _msgSender();
        uint256 price = _buy(buyer, collection, right, limits);
        // Anyone may have landed the permit before us; what counts is the allowance.
        try IERC20Permit(address(token)).permit(buyer, address(this), limits.maxPrice, deadline, v, r, s) {} catch {}
        // The buyer is the caller: a failed permit takes nobody else's allowance.
        // slither-disable-next-line arbitrary-send-erc20-permit
        if (price != 0) token.safeTransferFrom(buyer, address(this), price);
    }

    /// @inheritdoc IAccessToken
    function buyWithAuthorization(BuyAuthorization calldata purchase, bytes calldata signature) external nonReentrant {
        address buyer = purchase.buyer;
        uint256 value = purchase.limits.maxPrice;
        uint256 change = value - _buy(buyer, purchase.collection, purchase.right, purchase.limits);
        if (change != 0) {
            _credit(buyer, change);
            emit ChangeCredited(buyer, change);
        }
        bytes32 nonce = buyNonceOf(buyer, purchase.collection, purchase.right, purchase.limits, purchase.salt);
        IReceiveWithAuthorization(address(token))
            .receiveWithAuthorization(
                buyer, address(this), value, purchase.validAfter, purchase.validBefore, nonce, signature
            );
    }

    // ---------------------------------------------------------------- settle a purchase

    /// @inheritdoc IAccessToken
    function landUse(AccessUse calldata use, bytes calldata signature) external {
        Access storage access = _access[tokenIdOf(use.collection, use.right)][use.holder];
        require(access.refundUntil != 0, AccessToken_NothingHeld(use.holder));
        require(access.since == use.since, AccessToken_PurchaseMismatch(access.since, use.since));
        Signatures.requireSigner(use.holder, accessUseDigest(use), signature);

        emit AccessUseLanded(use.collection, use.right, use.holder, use.since);
        _release(use.collection, use.right, use.holder, access);
    }

    /// @inheritdoc IAccessToken
    function refund(CollectionId collection, Right right) external {
        address holder = _msgSender();
        uint256 id = tokenIdOf(collection, right);
        Access storage access = _access[id][holder];
        uint40 until = access.refundUntil;
        require(until != 0, AccessToken_NothingHeld(holder));
        require(block.timestamp <= until, AccessToken_RefundWindowOver(until));
        uint256 amount = access.paid;
        bool live = access.expiry > block.timestamp;

        _clear(access);
        _credit(holder, amount);
        emit AccessRefunded(collection, right, holder, amount);
        if (live) _emitBurn(_msgSender(), holder, id);
    }

    /// @inheritdoc IAccessToken
    function release(CollectionId collection, Right right, address[] calldata holders)
        external
        returns (uint256 released)
    {
        uint256 id = tokenIdOf(collection, right);
        for (uint256 i = 0; i < holders.length; ++i) {
            Access storage access = _access[id][holders[i]];
            if (access.refundUntil != 0) released += _releaseIfDue(collection, right, holders[i], access);
        }
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IAccessToken
    function hasAccess(CollectionId collection, address account, Right right) external view returns (bool) {
        uint256 id = tokenIdOf(collection, right);
        Access storage access = _access[id][account];
        if (access.denied) return false;
        if (access.expiry > block.timestamp) return true;
        OfferState storage offer = _offers[id];
        return offer.metered && !registry.collectionOf(collection).retired && _admits(offer, collection, right, account);
    }

    /// @inheritdoc IAccessToken
    function trainingTerms(CollectionId collection, address user)
        external
        view
        returns (uint128 pricePerRecord, address payee)
    {
        uint256 id = tokenIdOf(collection, Right.TRAIN);
        Access storage access = _access[id][user];
        require(!access.denied, AccessToken_Denied(collection, user));
        OfferState storage offer = _offers[id];
        payee = offer.payee;
        if (access.expiry > block.timestamp) {
            return (0, payee == address(0) ? registry.publisherOf(collection) : payee);
        }
        require(offer.metered, AccessToken_NoTrainingRight(collection, user));
        _requireOpen(collection, registry.collectionOf(collection));
        require(_admits(offer, collection, Right.TRAIN, user), AccessToken_NotAdmitted(collection, Right.TRAIN, user));
        pricePerRecord = offer.pricePerRecord;
    }

    /// @inheritdoc IAccessToken
    function accessOf(CollectionId collection, Right right, address holder) external view returns (Access memory) {
        return _access[tokenIdOf(collection, right)][holder];
    }

    /// @inheritdoc IAccessToken
    function isDenied(CollectionId collection, address account) external view returns (bool) {
        return _access[tokenIdOf(collection, Right.READ)][account].denied;
    }

    /// @inheritdoc IAccessToken
    function offerOf(CollectionId collection, Right right) external view returns (Offer memory) {
        OfferState memory offer = _offers[tokenIdOf(collection, right)];
        return Offer({
            price: offer.price,
            pricePerRecord: offer.pricePerRecord,
            payee: offer.payee,
            duration: offer.duration,
            refundWindow: offer.refundWindow,
            timed: offer.timed,
            metered: offer.metered,
            policy: offer.policy
        });
    }

    /// @inheritdoc IAccessToken
    function isTrustedTrainer(CollectionId collection, address worker, bytes32 trainerDigest)
        external
        view
        returns (bool)
    {
        return _trainers[collection][worker][trainerDigest] || _trainers[collection][worker][0];
    }

    /// @inheritdoc IERC1155
    function balanceOf(address holder, uint256 id) public view override returns (uint256) {
        // Whoever is denied holds nothing: denial revoked it and grants and purchases refuse it since.
        return _access[id][holder].expiry > block.timestamp ? 1 : 0;
    }

    /// @inheritdoc IAccessToken
    function tokenIdOf(CollectionId collection, Right right) public pure returns (uint256) {
        return uint256(keccak256(abi.encode(collection, right)));
    }

    /// @inheritdoc IAccessToken
    function buyNonceOf(address buyer, CollectionId collection, Right right, BuyLimits calldata limits, bytes32 salt)
        public
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(BUY_TYPEHASH, block.chainid, address(this), buyer, collection, right, limits, salt));
    }

    /// @inheritdoc IAccessToken
    function accessUseDigest(AccessUse calldata use) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ACCESS_USED_TYPEHASH, use)));
    }

    // ---------------------------------------------------------------- internals

    /// @dev Everything of a purchase but the movement of the token.
    function _buy(address buyer, CollectionId collection, Right right, BuyLimits calldata limits)
        private
        returns (uint128 price)
    {
        uint256 id = tokenIdOf(collection, right);
        OfferState storage offer = _offers[id];
        Access storage access = _access[id][buyer];
        _requireLimits(offer, collection, right, limits);
        require(!access.denied, AccessToken_Denied(collection, buyer));
        require(access.expiry != FOR_EVER, AccessToken_AlreadyHeld(buyer));
        _requireOpen(collection, registry.collectionOf(collection));
        require(_admits(offer, collection, right, buyer), AccessToken_NotAdmitted(collection, right, buyer));
        if (access.refundUntil != 0) {
            require(
                _releaseIfDue(collection, right, buyer, access) != 0,
                AccessToken_StillRefundable(buyer, access.refundUntil)
            );
        }

        price = offer.price;
        bool live = _prolong(offer, access, price);
        emit AccessBought(collection, right, buyer, price, offer.payee, access.since, access.expiry, access.refundUntil);
        if (!live) _emitMint(_msgSender(), buyer, id);
    }

    /// @dev Writes the period that was bought and puts the price where it belongs: held back, or the payee's.
    /// @return live Whether the right was held already.
    function _prolong(OfferState storage offer, Access storage access, uint128 price) private returns (bool live) {
        uint40 time = uint40(block.timestamp);
        uint256 expiry = access.expiry;
        live = expiry > time;
        // Only who bought before knows what it buys: a mere grant doesn't end the refund window.
        uint128 carried = live ? _unexpiredShare(access) : 0;
        uint32 duration = offer.duration;
        expiry = (live ? expiry : time) + duration;

        access.paid = carried + price;
        access.since = time;
        // forge-lint: disable-next-line(unsafe-typecast)
        access.expiry = duration != 0 && expiry < FOR_EVER ? uint40(expiry) : FOR_EVER;
        if (carried == 0 && offer.refundWindow != 0) {
            access.refundUntil = time + offer.refundWindow;
            access.payee = offer.payee;
        } else if (price != 0) {
            _credit(offer.payee, price);
        }
    }

    /// @dev Reverts where the right is not for sale or its terms are worse than the buyer takes.
    function _requireLimits(OfferState storage offer, CollectionId collection, Right right, BuyLimits calldata limits)
        private
        view
    {
        require(offer.timed, AccessToken_NotOffered(collection, right));
        require(offer.price <= limits.maxPrice, AccessToken_PriceAboveMaximum(offer.price, limits.maxPrice));
        uint40 duration = offer.duration == 0 ? FOR_EVER : offer.duration;
        require(duration >= limits.minDuration, AccessToken_DurationBelowMinimum(duration, limits.minDuration));
        require(
            offer.refundWindow >= limits.minRefundWindow,
            AccessToken_RefundWindowBelowMinimum(offer.refundWindow, limits.minRefundWindow)
        );
    }

    /// @dev Ends a right that is held and credits what returns to the holder.
    /// @return owed What of it is not held back here any more, so that the publisher has to bring it.
    function _revoke(CollectionId collection, Right right, address holder) private returns (uint256 owed) {
        uint256 id = tokenIdOf(collection, right);
        Access storage access = _access[id][holder];
        if (access.expiry <= block.timestamp) return 0;

        uint256 amount = _unexpiredShare(access);
        uint256 rest = 0;
        uint40 until = access.refundUntil;
        if (until == 0) {
            owed = amount;
        } else {
            if (block.timestamp <= until) amount = access.paid;
            rest = access.paid - amount;
        }
        if (rest != 0) {
            _credit(access.payee, rest);
            emit AccessReleased(collection, right, holder, access.payee, rest);
        }
        _clear(access);
        if (amount != 0) _credit(holder, amount);
        emit AccessRevoked(collection, right, holder, amount);
        _emitBurn(_msgSender(), holder, id);
    }

    /// @dev Credits the payee where the refund window is over. Money is held back for the holder.
    /// @return released 0 where it is still refundable.
    function _releaseIfDue(CollectionId collection, Right right, address holder, Access storage access)
        private
        returns (uint256 released)
    {
        if (block.timestamp > access.refundUntil) released = _release(collection, right, holder, access);
    }

    /// @dev Credits the payee with what is held back. `paid` stays, for its share counts until expiry.
    function _release(CollectionId collection, Right right, address holder, Access storage access)
        private
        returns (uint256 released)
    {
        released = access.paid;
        address payee = access.payee;
        access.refundUntil = 0;
        access.payee = address(0);
        _credit(payee, released);
        emit AccessReleased(collection, right, holder, payee, released);
    }

    /// @dev Forgets all but the denial.
    function _clear(Access storage access) private {
        access.paid = 0;
        access.since = 0;
        access.expiry = 0;
        if (access.refundUntil != 0) {
            access.refundUntil = 0;
            access.payee = address(0);
        }
    }

    /// @dev The part of `paid` for the time from now to the expiry, rounded down; all where it is for ever. Live only.
    function _unexpiredShare(Access storage access) private view returns (uint128) {
        uint40 expiry = access.expiry;
        if (expiry == FOR_EVER) return access.paid;
        uint256 left = expiry - block.timestamp;
        // A part of `paid`, which is a uint128.
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint128(access.paid * left / (expiry - access.since));
    }

    /// @dev Bounded in gas and return data; silence is a no.
    function _admits(OfferState storage offer, CollectionId collection, Right right, address account)
        private
        view
        returns (bool admitted)
    {
        if (!offer.gated) return true;
        address policy = address(offer.policy);
        bytes memory data = abi.encodeCall(IAccessPolicy.isAdmitted, (collection, right, account));
        assembly ("memory-safe") {
            let success := staticcall(POLICY_GAS, policy, add(data, 0x20), mload(data), 0x00, 0x20)
            admitted := and(success, and(eq(returndatasize(), 0x20), eq(mload(0x00), 1)))
        }
    }

    function _requirePublisher(CollectionId collection) private view returns (CollectionState memory state) {
        state = registry.collectionOf(collection);
        address caller = _msgSender();
        require(caller == state.publisher, AccessToken_NotPublisher(caller, state.publisher));
    }

    function _requireOpen(CollectionId collection, CollectionState memory state) private pure {
        require(!state.retired, AccessToken_CollectionRetired(collection));
    }
}
