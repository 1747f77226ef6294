// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {TrainingCoordinator} from "offsetdata/TrainingCoordinator.sol";
import {IModelRegistry} from "offsetdata/interfaces/IModelRegistry.sol";
import {ITrainingCoordinator} from "offsetdata/interfaces/ITrainingCoordinator.sol";
import {RequestId} from "offsetdata/types/Ids.sol";
import {MethodTerms} from "offsetdata/types/Model.sol";
import {DataInput, EscrowTerms, RequestDetails, RequestState, RequestStatus} from "offsetdata/types/Training.sol";

import {UnreliableToken} from "../../mocks/Tokens.sol";
import {TrainingBase} from "./TrainingBase.t.sol";

contract RequestTest is TrainingBase {
    function _expectInvalid(bytes32 field) private {
        vm.expectRevert(abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_InvalidTerms.selector, field));
    }

    function _expectNotQuoted(bytes32 field) private {
        vm.expectRevert(abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_TermsNotQuoted.selector, field));
    }

    function _send(EscrowTerms memory escrow, RequestDetails memory details) private {
        vm.prank(user.addr);
        coordinator.request(escrow, details, oneInput());
    }

    function _send(EscrowTerms memory escrow) private {
        _send(escrow, detailsOf(oneInput()));
    }

    // ---------------------------------------------------------------- request

    function test_WhenTermsAreRight() external {
        EscrowTerms memory escrow = escrowTerms();
        RequestDetails memory details = detailsOf(oneInput());
        RequestId expected = idOf(escrow, details);
        uint256 amount = uint256(UNIT_LIMIT) * UNIT_PRICE + uint256(RECORDS) * RECORD_PRICE + RELAY_FEE * RELAY_CAP;
        vm.expectEmit(address(coordinator));
        emit ITrainingCoordinator.TrainingRequested(expected, model, user.addr, escrow, details, oneInput());

        RequestId id = openWith(escrow, details, oneInput());

        assertTrue(id == expected);
        assertTrue(coordinator.requestIdOf(escrow, coordinator.detailsHashOf(details)) == expected);
        assertEq(coordinator.inputsHashOf(oneInput()), details.inputsHash);
        assertEq(coordinator.escrowOf(escrow), amount);
        assertEq(token.balanceOf(address(coordinator)), amount);
        assertEq(token.balanceOf(user.addr), FUNDS - amount);
        RequestState memory state = coordinator.stateOf(id);
        assertEq(uint8(state.status), uint8(RequestStatus.OPEN));
        assertEq(state.worker, address(0));
        assertEq(state.attempt, 0);
        assertEq(state.sequence, 0);
        assertEq(state.units, 0);
        assertEq(coordinator.headOf(id), 0);
    }

    function test_WhenThroughTheForwarder() external {
        EscrowTerms memory escrow = escrowTerms();
        RequestDetails memory details = detailsOf(oneInput());
        forward(user, address(coordinator), abi.encodeCall(coordinator.request, (escrow, details, oneInput())));
        assertStatus(idOf(escrow, details), RequestStatus.OPEN);
    }

    function test_RevertWhen_CallerIsNotTheUser() external {
        EscrowTerms memory escrow = escrowTerms();
        RequestDetails memory details = detailsOf(oneInput());
        bytes memory expected =
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_NotUser.selector, stranger.addr, user.addr);
        vm.startPrank(stranger.addr);
        vm.expectRevert(expected);
        coordinator.request(escrow, details, oneInput());
        vm.expectRevert(expected);
        coordinator.requestWithPermit(escrow, details, oneInput(), block.timestamp, 27, 0, 0);
    }

    function test_RevertGiven_SameTermsRequested() external {
        (EscrowTerms memory escrow, RequestDetails memory details, RequestId id) = open();
        vm.expectRevert(abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_AlreadyRequested.selector, id));
        _send(escrow, details);
    }

    function test_RevertGiven_RequestEnded_WhenSameTermsAgain() external {
        (EscrowTerms memory escrow, RequestDetails memory details, RequestId id) = open();
        landClosure(escrow, details);
        vm.expectRevert(abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_AlreadyRequested.selector, id));
        _send(escrow, details);
    }

    function test_RevertGiven_NoAllowance() external {
        vm.prank(user.addr);
        token.approve(address(coordinator), 0);
        EscrowTerms memory escrow = escrowTerms();
        vm.expectRevert();
        _send(escrow);
    }

    function test_RevertGiven_TokenThatAnswersFalse() external {
        UnreliableToken unreliable = new UnreliableToken();
        TrainingCoordinator other = new TrainingCoordinator(unreliable, collections, access, models, address(forwarder));
        unreliable.mint(user.addr, FUNDS);
        unreliable.setMode(user.addr, UnreliableToken.Mode.ANSWERS_FALSE);
        EscrowTerms memory escrow = escrowTerms();
        RequestDetails memory details = detailsOf(oneInput());
        vm.startPrank(user.addr);
        unreliable.approve(address(other), type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(unreliable)));
        other.request(escrow, details, oneInput());
    }

    // ---------------------------------------------------------------- times and limits

    function test_RevertWhen_OpenedInTheFuture() external {
        EscrowTerms memory escrow = escrowTerms();
        escrow.landing.openedAt += 1;
        _expectInvalid("openedAt");
        _send(escrow);
    }

    function test_RevertWhen_OpeningWindowIsOver() external {
        EscrowTerms memory escrow = escrowTerms();
        escrow.landing.startDeadline += 1 hours;
        vm.warp(block.timestamp + 1 hours + 1);
        _expectInvalid("openedAt");
        _send(escrow);
    }

    function test_RevertWhen_DeadlineIsNotAfterOpening() external {
        EscrowTerms memory escrow = escrowTerms();
        escrow.landing.deadline = escrow.landing.openedAt;
        _expectInvalid("deadline");
        _send(escrow);
    }

    function test_RevertWhen_DeadlineIsOverAYearAway() external {
        EscrowTerms memory escrow = escrowTerms();
        escrow.landing.deadline = escrow.landing.openedAt + 365 days + 1;
        _expectInvalid("deadline");
        _send(escrow);
    }

    function test_RevertWhen_StartDeadlineIsOutside() external {
        EscrowTerms memory escrow = escrowTerms();
        escrow.landing.startDeadline = escrow.landing.deadline + 1;
        _expectInvalid("startDeadline");
        _send(escrow);
        escrow.landing.startDeadline = uint40(block.timestamp) - 1;
        _expectInvalid("startDeadline");
        _send(escrow);
    }

    function test_RevertWhen_GraceIsOutside() external {
        EscrowTerms memory escrow = escrowTerms();
        escrow.landing.gracePeriod = 59;
        _expectInvalid("gracePeriod");
        _send(escrow);
        escrow.landing.gracePeriod = 1 days + 1;
        _expectInvalid("gracePeriod");
        _send(escrow);
    }

    function test_RevertWhen_ReceiptWindowIsOutside() external {
        EscrowTerms memory escrow = escrowTerms();
        escrow.receiptWindow = 1 hours - 1;
        _expectInvalid("receiptWindow");
        _send(escrow);
        escrow.receiptWindow = 30 days + 1;
        _expectInvalid("receiptWindow");
        _send(escrow);
    }

    function test_RevertWhen_UnitLimitIsZero() external {
        EscrowTerms memory escrow = escrowTerms();
        escrow.landing.unitLimit = 0;
        _expectInvalid("unitLimit");
        _send(escrow);
    }

    function test_RevertWhen_SplitLeavesNothingForTraining() external {
        RequestDetails memory details = detailsOf(oneInput());
        details.validationBps = 5000;
        details.testBps = 5000;
        _expectInvalid("testBps");
        _send(escrowTerms(), details);
    }

    // ---------------------------------------------------------------- quote and parent

    function test_RevertWhen_AnyTermIsNotQuoted() external {
        EscrowTerms memory escrow = escrowTerms();
        escrow.developer = stranger.addr;
        _expectNotQuoted("developer");
        _send(escrow);
        escrow = escrowTerms();
        escrow.scheduler = stranger.addr;
        _expectNotQuoted("scheduler");
        _send(escrow);
        escrow = escrowTerms();
        escrow.unitPrice += 1;
        _expectNotQuoted("unitPrice");
        _send(escrow);
        escrow = escrowTerms();
        escrow.landing.maxUnitsPerSecond -= 1;
        _expectNotQuoted("maxUnitsPerSecond");
        _send(escrow);
        escrow = escrowTerms();
        escrow.holdbackBps = 0;
        _expectNotQuoted("holdbackBps");
        _send(escrow);
        RequestDetails memory details = detailsOf(oneInput());
        details.trainerDigest = 0;
        _expectNotQuoted("trainerDigest");
        _send(escrowTerms(), details);
    }

    function test_RevertGiven_ModelDeleted() external {
        vm.prank(user.addr);
        models.deleteModel(model);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelRegistry_ModelDeleted.selector, model));
        _send(escrowTerms());
    }

    function test_GivenTermsChangedLater_RunningRequestKeepsItsOwn() external {
        (EscrowTerms memory escrow, RequestDetails memory details, RequestId id) = open();
        MethodTerms memory terms = methodTerms();
        terms.unitPrice *= 2;
        terms.scheduler = stranger.addr;
        vm.prank(developer.addr);
        models.offerMethod(base, "classify", terms);
        vm.warp(block.timestamp + 10);
        landFirst(escrow, details, 1, 100);
        assertEq(coordinator.stateOf(id).units, 100);
        details.salt = bytes32(uint256(1));
        escrow.landing.openedAt = uint40(block.timestamp);
        _expectNotQuoted("scheduler");
        _send(escrow, details);
    }

    function test_RevertWhen_ParentIsUnknown() external {
        RequestDetails memory details = detailsOf(oneInput());
        details.parent = RequestId.wrap(bytes32(uint256(1)));
        vm.expectRevert(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_UnknownParent.selector, details.parent)
        );
        _send(escrowTerms(), details);
    }

    function test_WhenParentIsKnown() external {
        (EscrowTerms memory escrow, RequestDetails memory details, RequestId parent) = open();
        details.parent = parent;
        RequestId id = openWith(escrow, details, oneInput());
        assertStatus(id, RequestStatus.OPEN);
    }
}
