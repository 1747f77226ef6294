// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistry} from "offsetdata/interfaces/IModelRegistry.sol";
import {ITrainingCoordinator} from "offsetdata/interfaces/ITrainingCoordinator.sol";
import {RequestId} from "offsetdata/types/Ids.sol";
import {MethodTerms} from "offsetdata/types/Model.sol";
import {EscrowTerms, RequestDetails, RequestStatus} from "offsetdata/types/Training.sol";

import {TrainingBase} from "./TrainingBase.t.sol";

/// @notice What changes around a running request changes nothing of it: it is its terms.
contract MeanwhileTest is TrainingBase {
    EscrowTerms private escrow;
    RequestDetails private details;
    RequestId private id;

    function setUp() public override {
        super.setUp();
        (escrow, details, id) = open();
        vm.warp(block.timestamp + 1000);
        landFirst(escrow, details, 1, 500);
    }

    /// @dev It goes on to its end: the developer, publisher and relayer of its terms are paid, the user has the rest.
    function _goesOn() private {
        landNext(escrow, details, 800);
        landReceipt(escrow, details, 10);
        landSettlement(escrow, details, 1000);
        assertStatus(id, RequestStatus.SETTLED);
        assertEq(coordinator.versionCountOf(model), 1, "a version is appended");
        assertCredit(developer, 1000 * UNIT_PRICE);
        assertCredit(publisher, 10 * RECORD_PRICE);
        assertCredit(relayer, 3 * RELAY_FEE);
        uint256 rest = uint256(UNIT_LIMIT - 1000) * UNIT_PRICE + (RELAY_CAP - 3) * RELAY_FEE;
        assertCredit(user, rest);
        vm.warp(block.timestamp + escrow.receiptWindow + 1);
        coordinator.releaseDataEscrow(escrow, hashOf(details));
        assertCredit(user, rest + (RECORDS - 10) * RECORD_PRICE);
    }

    function test_GivenModelTransferred_TheRequestStaysTheUsers() external {
        uint256 tokenId = model.tokenId();
        vm.prank(user.addr);
        models.transferFrom(user.addr, reader.addr, tokenId);
        vm.expectRevert(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_NotUser.selector, reader.addr, user.addr)
        );
        vm.prank(reader.addr);
        coordinator.requestCancel(escrow, hashOf(details));
        _goesOn();
        assertEq(models.ownerOf(tokenId), reader.addr, "the version is the new owner's");
        assertFalse(models.canUse(model, user.addr), "who paid for it no longer uses it");
    }

    function test_GivenModelTransferred_TheUserStillCancels() external {
        uint256 tokenId = model.tokenId();
        vm.prank(user.addr);
        models.transferFrom(user.addr, reader.addr, tokenId);
        cancel(escrow, details);
        landClosure(escrow, details);
        assertStatus(id, RequestStatus.CANCELLED);
    }

    function test_GivenModelDeleted() external {
        vm.prank(user.addr);
        models.deleteModel(model);
        _goesOn();
        details.salt = "another";
        EscrowTerms memory terms = escrowTerms();
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelRegistry_ModelDeleted.selector, model));
        openWith(terms, details, oneInput());
    }

    function test_GivenUserDenied() external {
        address[] memory accounts = new address[](1);
        accounts[0] = user.addr;
        vm.prank(user.addr);
        models.setDenied(model, accounts, true);
        _goesOn();
    }

    function test_GivenBaseRetired() external {
        vm.prank(developer.addr);
        models.retireBase(base);
        _goesOn();
    }

    function test_GivenMethodWithdrawn() external {
        vm.prank(developer.addr);
        models.withdrawMethod(base, method);
        _goesOn();
    }

    function test_GivenMethodDearer() external {
        MethodTerms memory dearer = methodTerms();
        (dearer.unitPrice, dearer.holdbackBps, dearer.scheduler) = (2 * UNIT_PRICE, 0, stranger.addr);
        vm.prank(developer.addr);
        models.offerMethod(base, "classify", dearer);
        _goesOn();
    }

    function test_GivenCollectionRetired() external {
        vm.prank(publisher.addr);
        collections.retire(collection);
        _goesOn();
    }

    /// @dev Keys are given by the gateway, which asks for the right each time: the coordinator pays for what a worker
    /// signed that it was given.
    function test_GivenUserDeniedByThePublisher() external {
        address[] memory accounts = new address[](1);
        accounts[0] = user.addr;
        vm.prank(publisher.addr);
        access.setDenied(collection, accounts, true);
        _goesOn();
    }

    function test_GivenPublisherChanged_ThePayeeOfTheTermsIsPaid() external {
        vm.prank(publisher.addr);
        collections.transferPublisher(collection, stranger.addr);
        vm.prank(stranger.addr);
        collections.acceptPublisher(collection);
        _goesOn();
        assertCredit(stranger, 0);
    }
}
