// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessPolicy} from "offsetdata/interfaces/IAccessPolicy.sol";
import {ITrainingCoordinator} from "offsetdata/interfaces/ITrainingCoordinator.sol";
import {Signatures} from "offsetdata/libraries/Signatures.sol";
import {Offer, Right} from "offsetdata/types/Access.sol";
import {RequestId} from "offsetdata/types/Ids.sol";
import {Assignment, DataInput, DataReceipt, EscrowTerms, RequestDetails} from "offsetdata/types/Training.sol";

import {TrainingBase} from "./TrainingBase.t.sol";

contract ClaimDataTest is TrainingBase {
    EscrowTerms private escrow;
    RequestDetails private details;
    RequestId private id;

    function setUp() public override {
        super.setUp();
        (escrow, details, id) = open();
    }

    function _claim(
        DataInput[] memory inputs,
        Assignment memory a,
        bytes memory aSignature,
        DataReceipt memory m,
        bytes memory signature
    ) private {
        vm.prank(relayer.addr);
        coordinator.claimData(escrow, details, inputs, a, aSignature, m, signature);
    }

    function _claimExpecting(bytes memory expected, DataReceipt memory m) private {
        Assignment memory a = assignmentOf(1);
        bytes memory aSignature = signAssignment(id, a);
        bytes memory signature = signReceipt(id, collection, m);
        vm.expectRevert(expected);
        _claim(oneInput(), a, aSignature, m, signature);
    }

    function _receipt(uint32 records) private pure returns (DataReceipt memory) {
        return DataReceipt(1, 0, records, keccak256("records"));
    }

    function _nothing() private pure returns (bytes memory) {
        return abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_NothingToPay.selector);
    }

    function test_WhenReceiptsGrow_OnlyTheDifferenceIsPaid() external {
        vm.expectEmit(address(coordinator));
        emit ITrainingCoordinator.DataPaid(
            id, publisher.addr, worker.addr, 0, 300, keccak256("records"), 300 * RECORD_PRICE
        );
        landReceipt(escrow, details, 300);
        assertCredit(publisher, 300 * RECORD_PRICE);
        landReceipt(escrow, details, RECORDS);
        assertCredit(publisher, RECORDS * RECORD_PRICE);
        assertEq(coordinator.recordsPaidOf(id, 0), RECORDS);
        assertEq(coordinator.ledgerOf(id).dataPaid, RECORDS * RECORD_PRICE);
    }

    function test_GivenRepricedDeniedAndRetired_TheRunningRequestKeepsItsTerms() external {
        address[] memory users = new address[](1);
        users[0] = user.addr;
        vm.startPrank(publisher.addr);
        access.setOffer(
            collection,
            Right.TRAIN,
            Offer(0, 2 * RECORD_PRICE, stranger.addr, 0, 0, false, true, IAccessPolicy(address(0)))
        );
        access.setDenied(collection, users, true);
        collections.retire(collection);
        vm.stopPrank();
        vm.warp(block.timestamp + 10);

        landFirst(escrow, details, 1, 100);
        landReceipt(escrow, details, RECORDS);
        landSettlement(escrow, details, 100);
        assertCredit(publisher, RECORDS * RECORD_PRICE);
        assertCredit(stranger, 0);
    }

    function test_WhenAnotherAttemptAndWorker_RecordsAreNotAdded() external {
        landReceipt(escrow, details, 300);
        Assignment memory a = assignmentOf(2);
        a.worker = stranger.addr;
        DataReceipt memory m = DataReceipt(2, 0, 400, keccak256("more"));
        _claim(
            oneInput(),
            a,
            signAssignment(id, a),
            m,
            sign(stranger, address(coordinator), hashReceipt(id, collection, m))
        );
        assertCredit(publisher, 400 * RECORD_PRICE);
    }

    function test_WhenSeveralInputs_EachHasItsOwnMark() external {
        DataInput[] memory inputs = new DataInput[](2);
        inputs[0] = wholeCollection();
        inputs[1] = wholeCollection();
        inputs[1].recordCap = 10;
        escrow.dataEscrow = RECORD_PRICE * (RECORDS + 10);
        details = detailsOf(inputs);
        id = openWith(escrow, details, inputs);
        Assignment memory a = assignmentOf(1);
        DataReceipt memory m = DataReceipt(1, 1, 10, 0);
        _claim(inputs, a, signAssignment(id, a), m, signReceipt(id, collection, m));
        assertEq(coordinator.recordsPaidOf(id, 0), 0);
        assertEq(coordinator.recordsPaidOf(id, 1), 10);
        assertCredit(publisher, 10 * RECORD_PRICE);
    }

    function test_RevertWhen_NoMoreThanPaid() external {
        landReceipt(escrow, details, 300);
        _claimExpecting(_nothing(), _receipt(300));
        _claimExpecting(_nothing(), _receipt(299));
    }

    function test_RevertWhen_RecordIsFree() external {
        DataInput[] memory inputs = oneInput();
        vm.prank(publisher.addr);
        access.setOffer(collection, Right.TRAIN, _freeOffer());
        inputs[0].pricePerRecord = 0;
        escrow.dataEscrow = 0;
        details = detailsOf(inputs);
        id = openWith(escrow, details, inputs);
        Assignment memory a = assignmentOf(1);
        DataReceipt memory m = _receipt(1);
        bytes memory aSignature = signAssignment(id, a);
        bytes memory signature = signReceipt(id, collection, m);
        vm.expectRevert(_nothing());
        _claim(inputs, a, aSignature, m, signature);
    }

    function _freeOffer() private view returns (Offer memory) {
        return Offer(0, 0, publisher.addr, 0, 0, false, true, IAccessPolicy(address(0)));
    }

    function test_RevertWhen_OverTheCap() external {
        _claimExpecting(
            abi.encodeWithSelector(
                ITrainingCoordinator.TrainingCoordinator_RecordsOverCap.selector, RECORDS + 1, RECORDS
            ),
            _receipt(RECORDS + 1)
        );
    }

    function test_RevertWhen_InputDoesNotExist() external {
        DataReceipt memory m = _receipt(1);
        m.input = 1;
        _claimExpecting(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_InvalidSelection.selector, 1), m
        );
    }

    function test_RevertWhen_InputsAreOthers() external {
        DataInput[] memory inputs = oneInput();
        inputs[0].payee = stranger.addr;
        Assignment memory a = assignmentOf(1);
        bytes memory aSignature = signAssignment(id, a);
        bytes memory signature = signReceipt(id, collection, _receipt(1));
        vm.expectRevert(
            abi.encodeWithSelector(
                ITrainingCoordinator.TrainingCoordinator_InputsMismatch.selector,
                details.inputsHash,
                keccak256(abi.encode(inputs))
            )
        );
        _claim(inputs, a, aSignature, _receipt(1), signature);
    }

    function test_RevertWhen_ReceiptIsOfAnotherAttempt() external {
        DataReceipt memory m = _receipt(1);
        m.attempt = 2;
        _claimExpecting(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_AttemptNotAssigned.selector, 2, 1), m
        );
    }

    function test_RevertWhen_AssignmentOrReceiptIsForged() external {
        Assignment memory a = assignmentOf(1);
        DataReceipt memory m = _receipt(1);
        bytes memory aSignature = signAssignment(id, a);
        bytes memory signature = signReceipt(id, collection, m);
        bytes memory forged = sign(stranger, address(coordinator), hashAssignment(id, a));
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, scheduler.addr));
        _claim(oneInput(), a, forged, m, signature);
        forged = sign(stranger, address(coordinator), hashReceipt(id, collection, m));
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, worker.addr));
        _claim(oneInput(), a, aSignature, m, forged);
        bytes32 s;
        (forged, s) = malleable(signature);
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_MalleableSignature.selector, s));
        _claim(oneInput(), a, aSignature, m, forged);
    }

    function test_RevertGiven_UnknownRequest() external {
        details.salt = keccak256("other");
        id = idOf(escrow, details);
        _claimExpecting(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_UnknownRequest.selector, id), _receipt(1)
        );
    }

    function test_GivenRequestEnded_WhenWithinTheReceiptWindow() external {
        landReceipt(escrow, details, 300);
        landClosure(escrow, details);
        assertEq(coordinator.ledgerOf(id).closedAt, block.timestamp);
        vm.warp(block.timestamp + escrow.receiptWindow);
        landReceipt(escrow, details, 500);
        assertCredit(publisher, 500 * RECORD_PRICE);
    }

    function test_RevertGiven_RequestEnded_WhenReceiptWindowIsOver() external {
        landClosure(escrow, details);
        uint256 last = block.timestamp + escrow.receiptWindow;
        vm.warp(last + 1);
        _claimExpecting(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_TooLate.selector, last), _receipt(1)
        );
    }

    function test_RevertGiven_EscrowReleased() external {
        landClosure(escrow, details);
        vm.warp(block.timestamp + escrow.receiptWindow + 1);
        coordinator.releaseDataEscrow(escrow, hashOf(details));
        _claimExpecting(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_TooLate.selector, escrow.receiptWindow),
            _receipt(1)
        );
    }
}
