// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITrainingCoordinator} from "offsetdata/interfaces/ITrainingCoordinator.sol";
import {Signatures} from "offsetdata/libraries/Signatures.sol";
import {RequestId} from "offsetdata/types/Ids.sol";
import {Closure, EscrowTerms, RequestDetails, RequestStatus} from "offsetdata/types/Training.sol";

import {TrainingBase} from "./TrainingBase.t.sol";

contract EndingTest is TrainingBase {
    EscrowTerms private escrow;
    RequestDetails private details;
    RequestId private id;
    bytes32 private detailsHash;

    function setUp() public override {
        super.setUp();
        (escrow, details, id) = open();
        detailsHash = hashOf(details);
        vm.warp(block.timestamp + 50);
    }

    function _wrongStatus(RequestStatus status) private view returns (bytes memory) {
        return abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_WrongStatus.selector, id, status);
    }

    function _tooEarly(uint256 first) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_TooEarly.selector, first);
    }

    /// @dev Pay for 5000 units and two landings without the holdback, the rest to the user.
    function _assertPaidWithoutHoldback(uint256 units, uint256 landings) private view {
        uint256 developerPaid = units * UNIT_PRICE * 8000 / 10_000;
        assertCredit(developer, developerPaid);
        assertCredit(
            user, UNIT_LIMIT * uint256(UNIT_PRICE) - developerPaid + (RELAY_CAP - landings) * uint256(RELAY_FEE)
        );
    }

    // ---------------------------------------------------------------- requestCancel

    function test_WhenCancelled() external {
        landFirst(escrow, details, 1, 500);
        vm.expectEmit(address(coordinator));
        emit ITrainingCoordinator.CancelRequested(id, uint40(block.timestamp + escrow.landing.gracePeriod));
        cancel(escrow, details);
        assertStatus(id, RequestStatus.CANCELLING);
        assertEq(coordinator.ledgerOf(id).cancelledAt, block.timestamp);
        assertEq(coordinator.stateOf(id).units, 500);
        assertEq(coordinator.stateOf(id).worker, worker.addr);
    }

    function test_WhenCancelledAfterTheDeadline_TheGraceIsNotProlonged() external {
        landFirst(escrow, details, 1, 500);
        vm.warp(uint256(escrow.landing.deadline) + 1);
        vm.expectEmit(address(coordinator));
        emit ITrainingCoordinator.CancelRequested(id, escrow.landing.deadline + escrow.landing.gracePeriod);
        cancel(escrow, details);
    }

    function test_RevertWhen_CancelledByAnother() external {
        vm.expectRevert(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_NotUser.selector, developer.addr, user.addr)
        );
        vm.prank(developer.addr);
        coordinator.requestCancel(escrow, detailsHash);
    }

    function test_RevertWhen_CancelledTwiceOrTooLateOrUnknown() external {
        vm.warp(uint256(escrow.landing.startDeadline) + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                ITrainingCoordinator.TrainingCoordinator_TooLate.selector, escrow.landing.startDeadline
            )
        );
        cancel(escrow, details);
        vm.warp(escrow.landing.startDeadline);
        cancel(escrow, details);
        vm.expectRevert(_wrongStatus(RequestStatus.CANCELLING));
        cancel(escrow, details);
        bytes32 other = keccak256("other");
        RequestId unknown = coordinator.requestIdOf(escrow, other);
        vm.expectRevert(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_UnknownRequest.selector, unknown)
        );
        vm.prank(user.addr);
        coordinator.requestCancel(escrow, other);
    }

    // ---------------------------------------------------------------- close

    function test_GivenOpen_WhenClosed() external {
        landFirst(escrow, details, 1, 5000);
        uint256 developerPaid = uint256(5000) * UNIT_PRICE * 8000 / 10_000;
        uint256 refunded = coordinator.escrowOf(escrow) - escrow.dataEscrow - developerPaid - RELAY_FEE;
        Closure memory m = Closure(1, keccak256("reason"));
        bytes memory signature = signClosure(id, m);
        vm.expectEmit(address(coordinator));
        emit ITrainingCoordinator.RequestClosed(
            id, RequestStatus.FAILED, 5000, developerPaid, RELAY_FEE, refunded, keccak256("reason")
        );
        coordinator.close(escrow, detailsHash, m, signature);
        assertStatus(id, RequestStatus.FAILED);
        _assertPaidWithoutHoldback(5000, 1);
    }

    function test_GivenCancelling_WhenClosed() external {
        cancel(escrow, details);
        landClosure(escrow, details);
        assertStatus(id, RequestStatus.CANCELLED);
        _assertPaidWithoutHoldback(0, 0);
    }

    function test_RevertWhen_ClosureIsStaleForgedOrRepeated() external {
        Closure memory m = Closure(0, 0);
        bytes memory signature = signClosure(id, m);
        landFirst(escrow, details, 1, 500);
        vm.expectRevert(abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_WrongSequence.selector, 0, 1));
        coordinator.close(escrow, detailsHash, m, signature);
        m.sequence = 1;
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, scheduler.addr));
        coordinator.close(escrow, detailsHash, m, signature);
        signature = signClosure(id, m);
        (bytes memory high, bytes32 s) = malleable(signature);
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_MalleableSignature.selector, s));
        coordinator.close(escrow, detailsHash, m, high);
        coordinator.close(escrow, detailsHash, m, signature);
        vm.expectRevert(_wrongStatus(RequestStatus.FAILED));
        coordinator.close(escrow, detailsHash, m, signature);
    }

    // ---------------------------------------------------------------- expire

    function test_GivenNothingLanded_WhenStartDeadlineHasPassed() external {
        vm.warp(escrow.landing.startDeadline);
        vm.expectRevert(_tooEarly(uint256(escrow.landing.startDeadline) + 1));
        coordinator.expire(escrow, detailsHash);
        vm.warp(uint256(escrow.landing.startDeadline) + 1);
        coordinator.expire(escrow, detailsHash);
        assertStatus(id, RequestStatus.EXPIRED);
        _assertPaidWithoutHoldback(0, 0);
    }

    function test_GivenLanded_WhenGraceHasPassed() external {
        landFirst(escrow, details, 1, 5000);
        uint256 last = uint256(escrow.landing.deadline) + escrow.landing.gracePeriod;
        vm.warp(last);
        vm.expectRevert(_tooEarly(last + 1));
        coordinator.expire(escrow, detailsHash);
        vm.warp(last + 1);
        coordinator.expire(escrow, detailsHash);
        assertStatus(id, RequestStatus.EXPIRED);
        _assertPaidWithoutHoldback(5000, 1);
        vm.expectRevert(_wrongStatus(RequestStatus.EXPIRED));
        coordinator.expire(escrow, detailsHash);
    }

    function test_GivenCancelling_WhenGraceHasPassed() external {
        landFirst(escrow, details, 1, 5000);
        cancel(escrow, details);
        uint256 last = block.timestamp + escrow.landing.gracePeriod;
        vm.warp(last);
        vm.expectRevert(_tooEarly(last + 1));
        coordinator.expire(escrow, detailsHash);
        vm.warp(last + 1);
        coordinator.expire(escrow, detailsHash);
        assertStatus(id, RequestStatus.CANCELLED);
        _assertPaidWithoutHoldback(5000, 1);
    }

    function test_RevertGiven_UnknownRequest_WhenExpiredClosedCollectedOrReleased() external {
        detailsHash = keccak256("other");
        id = coordinator.requestIdOf(escrow, detailsHash);
        bytes memory unknown =
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_UnknownRequest.selector, id);
        vm.expectRevert(unknown);
        coordinator.expire(escrow, detailsHash);
        vm.expectRevert(unknown);
        coordinator.close(escrow, detailsHash, Closure(0, 0), "");
        vm.expectRevert(unknown);
        coordinator.releaseDataEscrow(escrow, detailsHash);
        vm.expectRevert(unknown);
        vm.prank(developer.addr);
        coordinator.collect(escrow, detailsHash);
    }

    // ---------------------------------------------------------------- collect

    function _collect() private {
        vm.prank(developer.addr);
        coordinator.collect(escrow, detailsHash);
    }

    function test_WhenCollected_OnlyWhatIsNew() external {
        landFirst(escrow, details, 1, 5000);
        vm.expectEmit(address(coordinator));
        emit ITrainingCoordinator.UnitsCollected(id, developer.addr, 5000, 5000 * uint256(UNIT_PRICE) * 8 / 10);
        _collect();
        vm.expectRevert(ITrainingCoordinator.TrainingCoordinator_NothingToPay.selector);
        _collect();
        landNext(escrow, details, 7000);
        _collect();
        assertCredit(developer, 7000 * uint256(UNIT_PRICE) * 8 / 10);
        assertEq(coordinator.ledgerOf(id).collectedUnits, 7000);
        landClosure(escrow, details);
        _assertPaidWithoutHoldback(7000, 2);
        vm.expectRevert(_wrongStatus(RequestStatus.FAILED));
        _collect();
    }

    function test_RevertWhen_CollectedByAnother() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                ITrainingCoordinator.TrainingCoordinator_NotDeveloper.selector, stranger.addr, developer.addr
            )
        );
        vm.prank(stranger.addr);
        coordinator.collect(escrow, detailsHash);
    }

    // ---------------------------------------------------------------- releaseDataEscrow

    function test_WhenReceiptWindowIsOver() external {
        landReceipt(escrow, details, 300);
        landClosure(escrow, details);
        uint256 before = coordinator.creditOf(user.addr);
        uint256 last = block.timestamp + escrow.receiptWindow;
        vm.warp(last);
        vm.expectRevert(_tooEarly(last + 1));
        coordinator.releaseDataEscrow(escrow, detailsHash);
        vm.warp(last + 1);
        vm.expectEmit(address(coordinator));
        emit ITrainingCoordinator.DataEscrowReleased(id, user.addr, 700 * RECORD_PRICE);
        coordinator.releaseDataEscrow(escrow, detailsHash);
        assertCredit(user, before + 700 * RECORD_PRICE);
        assertEq(coordinator.ledgerOf(id).dataPaid, 300 * RECORD_PRICE);
        vm.expectRevert(ITrainingCoordinator.TrainingCoordinator_NothingToPay.selector);
        coordinator.releaseDataEscrow(escrow, detailsHash);
    }

    function test_RevertGiven_Running_WhenReleased() external {
        vm.expectRevert(_wrongStatus(RequestStatus.OPEN));
        coordinator.releaseDataEscrow(escrow, detailsHash);
        cancel(escrow, details);
        vm.expectRevert(_wrongStatus(RequestStatus.CANCELLING));
        coordinator.releaseDataEscrow(escrow, detailsHash);
    }
}
