// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessPolicy} from "offsetdata/interfaces/IAccessPolicy.sol";
import {BuyLimits, Offer, Right} from "offsetdata/types/Access.sol";
import {SignedVoucher, SpenderAuthorization, UsageVoucher} from "offsetdata/types/Billing.sol";
import {CollectionTerms} from "offsetdata/types/Collection.sol";
import {CollectionId} from "offsetdata/types/Ids.sol";

import {GasBase} from "./GasBase.s.sol";

/// @notice Cases of publishers and readers: register, verify, buy, pay by voucher.
abstract contract DataGas is GasBase {
    uint32 internal constant RECORDS = 1_000_000;
    uint128 internal constant RECORD_PRICE = 100;
    uint128 private constant PRICE = 5_000_000;
    uint40 private constant DURATION = 30 days;

    BuyLimits private limits = BuyLimits({maxPrice: PRICE, minDuration: DURATION, minRefundWindow: 0});
    CollectionId internal collection;
    bool private fromDeposit;

    // ---------------------------------------------------------------- publish

    function measureCollections() internal {
        // Only the path from one leaf to the root exists, which is all that a proof shows: the left half of a million
        // leaves is a full tree of 2^19, below the root.
        uint32 index = 0x55555;
        bytes32 leafHash = sha256("leaf");
        bytes32[] memory proof = new bytes32[](20);
        bytes32 root = leafHash;
        for (uint256 i = 0; i < 20; ++i) {
            proof[i] = sha256(abi.encode(i));
            bool right = i < 19 && (index >> i) & 1 == 1;
            root = sha256(right ? abi.encodePacked(hex"01", proof[i], root) : abi.encodePacked(hex"01", root, proof[i]));
        }
        collection = register("register", root);
        require(collections.verifyRecord(collection, index & 0x7ffff, leafHash, proof), "proof of the benchmark");
        send(
            guest,
            "verifyRecord",
            address(collections),
            abi.encodeCall(collections.verifyRecord, (collection, index & 0x7ffff, leafHash, proof))
        );
    }

    function register(string memory name, bytes32 root) internal returns (CollectionId) {
        CollectionTerms memory terms = CollectionTerms({
            contentRoot: root,
            recordCount: RECORDS,
            manifestDigest: sha256("manifest"),
            previous: CollectionId.wrap(0),
            policyDigest: sha256("policy"),
            sharesRoot: 0,
            salt: sha256("salt")
        });
        send(publisher, name, address(collections), abi.encodeCall(collections.register, (terms)));
        return collections.collectionIdOf(publisher.addr, terms);
    }

    // ---------------------------------------------------------------- buy

    function measureAccess() internal {
        approve(reader, address(access));
        approve(user, address(access));
        approve(guest, address(access));
        // The contract has had money before, of a payee that is not the publisher.
        _offerFor(Right.TRAIN, developer.addr);
        _buy(user, "", Right.TRAIN);
        _offerFor(Right.READ, publisher.addr);
        _buy(reader, "buyFirst", Right.READ);
        _buy(guest, "buy", Right.READ);

        // Neither the first permit of the account nor one that overwrites an allowance.
        queuePermit(worker, operator.addr, 1);
        flush();
        (uint256 deadline, uint8 v, bytes32 r, bytes32 s) = permitOf(worker, address(access), PRICE);
        bytes memory data = abi.encodeCall(access.buyWithPermit, (collection, Right.READ, limits, deadline, v, r, s));
        send(worker, "buyPermit", address(access), data);
    }

    function _offerFor(Right right, address payee) private {
        Offer memory offer = Offer(PRICE, 0, payee, DURATION, 0, true, false, IAccessPolicy(address(0)));
        send(publisher, "", address(access), abi.encodeCall(access.setOffer, (collection, right, offer)));
    }

    function _buy(Account memory buyer, string memory name, Right right) private {
        send(buyer, name, address(access), abi.encodeCall(access.buy, (collection, right, limits)));
    }

    // ---------------------------------------------------------------- pay by voucher

    function measureVouchers() internal {
        // The payee was paid before.
        approve(user, address(billing));
        _settle("", user, user, 5000);

        approve(reader, address(billing));
        _settle("voucherFirst", reader, reader, 5000);
        _settle("voucherAgain", reader, reader, 9000);
        approve(worker, address(billing));
        _authorize(worker, spender);
        _settle("voucherSpenderFirst", worker, spender, 5000);
        _settle("voucherSpenderAgain", worker, spender, 9000);
        _measureBatch("voucherBatch50");

        fromDeposit = true;
        approve(guest, address(billing));
        send(guest, "depositFirst", address(billing), abi.encodeCall(billing.deposit, (publisher.addr, 1e6)));
        _settle("voucherFirstDeposit", guest, guest, 5000);
        _settle("voucherAgainDeposit", guest, guest, 9000);
        _measureBatch("voucherBatch50Deposit");
    }

    /// @dev Fifty readers of one publisher's collection, each for the second time.
    function _measureBatch(string memory name) private {
        SignedVoucher[] memory first = new SignedVoucher[](50);
        SignedVoucher[] memory again = new SignedVoucher[](50);
        for (uint256 i = 0; i < 50; ++i) {
            Account memory payer = makeAccount(string.concat(name, vm.toString(i)));
            queue(address(token), abi.encodeCall(token.mint, (payer.addr, FUNDS)));
            queuePermit(payer, address(billing), FUNDS);
            if (fromDeposit) {
                queueForward(payer, address(billing), abi.encodeCall(billing.deposit, (publisher.addr, 1e6)));
            }
            first[i] = _signed(payer, payer, 5000);
            again[i] = _signed(payer, payer, 9000);
        }
        flush();
        send(relayer, "", address(billing), abi.encodeCall(billing.settleBatch, (first)));
        send(relayer, name, address(billing), abi.encodeCall(billing.settleBatch, (again)));
    }

    function _authorize(Account memory payer, Account memory key) private {
        SpenderAuthorization memory word =
            SpenderAuthorization(payer.addr, key.addr, 1e12, uint40(block.timestamp + 1 days), 0);
        bytes memory signature = sign(payer, billing.spenderAuthorizationDigest(word));
        send(relayer, "authorizeSpender", address(billing), abi.encodeCall(billing.authorizeSpender, (word, signature)));
    }

    function _settle(string memory name, Account memory payer, Account memory signer, uint128 amount) private {
        bytes memory data = abi.encodeCall(billing.settle, (_signed(payer, signer, amount)));
        send(relayer, name, address(billing), data);
    }

    function _signed(Account memory payer, Account memory signer, uint128 amount)
        private
        view
        returns (SignedVoucher memory)
    {
        UsageVoucher memory voucher = UsageVoucher({
            payer: payer.addr,
            payee: publisher.addr,
            collection: collection,
            lane: 0,
            amount: amount,
            records: uint64(amount / RECORD_PRICE),
            validUntil: uint40(block.timestamp + 1 days),
            fromDeposit: fromDeposit
        });
        return SignedVoucher(voucher, signer.addr, sign(signer, billing.voucherDigest(voucher)));
    }
}
