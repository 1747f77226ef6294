// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessPolicy} from "offsetdata/interfaces/IAccessPolicy.sol";
import {Signatures} from "offsetdata/libraries/Signatures.sol";
import {AccessUse, BuyAuthorization, BuyLimits, Offer, Right} from "offsetdata/types/Access.sol";
import {SignedVoucher, SpenderAuthorization, UsageVoucher} from "offsetdata/types/Billing.sol";
import {RequestId} from "offsetdata/types/Ids.sol";
import {EscrowTerms, RequestDetails, RequestStatus} from "offsetdata/types/Training.sol";

import {ContractAccount} from "../mocks/Accounts.sol";
import {TrainingBase} from "./TrainingCoordinator/TrainingBase.t.sol";

/// @notice Every message of ours signed by a contract account (ERC-1271): scheduler, worker, user, reader and spender
/// are contracts with one key each. Another key does not sign for them.
contract ContractAccountsTest is TrainingBase {
    EscrowTerms private escrow;
    RequestDetails private details;
    RequestId private id;

    function setUp() public override {
        super.setUp();
        address before = user.addr;
        _become(scheduler);
        _become(worker);
        _become(user);
        _become(reader);
        _become(contributor);
        vm.prank(developer.addr);
        models.offerMethod(base, "classify", methodTerms());
        uint256 tokenId = model.tokenId();
        vm.prank(before);
        models.transferFrom(before, user.addr, tokenId);
        escrow = escrowTerms();
        details = detailsOf(oneInput());
        id = idOf(escrow, details);
    }

    /// @dev The account is a contract from now on, which its key signs for.
    function _become(Account storage account) private {
        account.addr = address(new ContractAccount(account.addr));
        token.mint(account.addr, FUNDS);
    }

    // ---------------------------------------------------------------- training

    /// @dev The user's ERC-3009 authorization, whose nonce is the request id.
    function _request() private {
        uint256 amount = coordinator.escrowOf(escrow);
        bytes memory signature =
            signReceive(user, address(coordinator), amount, 0, block.timestamp + 1, RequestId.unwrap(id));
        vm.prank(relayer.addr);
        coordinator.requestWithAuthorization(escrow, details, oneInput(), 0, block.timestamp + 1, signature);
        vm.warp(block.timestamp + 100);
    }

    function test_RequestAssignmentCommitmentReceiptAndSettlement() external {
        _request();
        landFirst(escrow, details, 1, 100);
        landNext(escrow, details, 200);
        landReceipt(escrow, details, 10);
        landSettlement(escrow, details, 300);
        assertStatus(id, RequestStatus.SETTLED);
        assertEq(coordinator.stateOf(id).worker, worker.addr);
        assertEq(coordinator.recordsPaidOf(id, 0), 10);
    }

    function test_Closure() external {
        _request();
        landClosure(escrow, details);
        assertStatus(id, RequestStatus.FAILED);
    }

    function test_RevertWhen_AnotherKeySignsForSchedulerOrWorker() external {
        _request();
        landFirst(escrow, details, 1, 100);
        uint256 key = worker.key;
        worker.key = stranger.key;
        _expectRefused(worker);
        this.next();
        _expectRefused(worker);
        this.result();
        _expectRefused(worker);
        this.receipt();
        (worker.key, scheduler.key) = (key, stranger.key);
        _expectRefused(scheduler);
        this.closure();
        _expectRefused(scheduler);
        this.first();
    }

    function first() external {
        landFirst(escrow, details, 2, 100);
    }

    function next() external {
        landNext(escrow, details, 100);
    }

    function result() external {
        landSettlement(escrow, details, 100);
    }

    function receipt() external {
        landReceipt(escrow, details, 10);
    }

    function closure() external {
        landClosure(escrow, details);
    }

    // ---------------------------------------------------------------- rights

    function test_PurchaseAndUse() external {
        vm.prank(publisher.addr);
        access.setOffer(
            collection,
            Right.READ,
            Offer(500, 0, publisher.addr, 1 days, 1 hours, true, false, IAccessPolicy(address(0)))
        );
        BuyAuthorization memory purchase;
        (purchase.buyer, purchase.collection, purchase.right) = (reader.addr, collection, Right.READ);
        (purchase.limits, purchase.validBefore) = (BuyLimits(500, 0, 0), block.timestamp + 1);
        bytes32 nonce = access.buyNonceOf(reader.addr, collection, Right.READ, purchase.limits, 0);
        access.buyWithAuthorization(purchase, signReceive(reader, address(access), 500, 0, purchase.validBefore, nonce));
        assertTrue(access.hasAccess(collection, reader.addr, Right.READ));

        AccessUse memory use = AccessUse(collection, Right.READ, reader.addr, uint40(block.timestamp));
        bytes32 digest = access.accessUseDigest(use);
        _expectRefused(reader);
        access.landUse(use, sign(stranger, digest));
        access.landUse(use, sign(reader, digest));
        assertEq(access.creditOf(publisher.addr), 500);
    }

    // ---------------------------------------------------------------- vouchers

    function test_AuthorizationAndVoucherOfPayerAndSpender() external {
        vm.prank(reader.addr);
        token.approve(address(billing), 1000);
        SpenderAuthorization memory word =
            SpenderAuthorization(reader.addr, contributor.addr, 100, uint40(block.timestamp + 1), 0);
        bytes32 digest = billing.spenderAuthorizationDigest(word);
        _expectRefused(reader);
        billing.authorizeSpender(word, sign(stranger, digest));
        billing.authorizeSpender(word, sign(reader, digest));

        _settle(contributor, 40);
        _settle(reader, 70);
        assertEq(billing.revenueOf(collection, publisher.addr), 70);
        assertEq(billing.spenderOf(reader.addr, contributor.addr).spent, 40);
    }

    function _settle(Account memory signer, uint128 amount) private {
        UsageVoucher memory voucher =
            UsageVoucher(reader.addr, publisher.addr, collection, 0, amount, 1, uint40(block.timestamp), false);
        bytes32 digest = billing.voucherDigest(voucher);
        SignedVoucher memory item = SignedVoucher(voucher, signer.addr, sign(stranger, digest));
        _expectRefused(signer);
        billing.settle(item);
        item.signature = sign(signer, digest);
        billing.settle(item);
    }

    function _expectRefused(Account memory signer) private {
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, signer.addr));
    }
}
