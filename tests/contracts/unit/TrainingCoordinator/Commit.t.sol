// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITrainingCoordinator} from "offsetdata/interfaces/ITrainingCoordinator.sol";
import {Signatures} from "offsetdata/libraries/Signatures.sol";
import {RequestId} from "offsetdata/types/Ids.sol";
import {MethodTerms} from "offsetdata/types/Model.sol";
import {
    Assignment,
    Commitment,
    EscrowTerms,
    RequestDetails,
    RequestState,
    RequestStatus
} from "offsetdata/types/Training.sol";

import {ContractAccount} from "../../mocks/Accounts.sol";
import {TrainingBase} from "./TrainingBase.t.sol";

contract CommitTest is TrainingBase {
    EscrowTerms private escrow;
    RequestDetails private details;
    RequestId private id;
    bytes32 private detailsHash;
    bytes32 private termsHash;

    function setUp() public override {
        super.setUp();
        (escrow, details, id) = open();
        detailsHash = hashOf(details);
        termsHash = termsHashOf(escrow, details);
        vm.warp(block.timestamp + 100);
    }

    function _expect(bytes4 selector, uint256 a, uint256 b) private {
        vm.expectRevert(abi.encodeWithSelector(selector, a, b));
    }

    function _commit(Commitment memory m) private {
        _commit(m, signCommitment(id, m));
    }

    function _commit(Commitment memory m, bytes memory signature) private {
        vm.prank(relayer.addr);
        coordinator.commit(escrow.landing, termsHash, m, signature);
    }

    function _assign(Assignment memory a, Commitment memory m) private {
        _assign(a, signAssignment(id, a), m, signCommitment(id, m));
    }

    function _assign(Assignment memory a, bytes memory aSignature, Commitment memory m, bytes memory signature)
        private
    {
        vm.prank(relayer.addr);
        coordinator.commitAssigned(escrow, detailsHash, a, aSignature, m, signature);
    }

    /// @dev For the cases in which signing would read the chain between `expectRevert` and the call.
    function _assignExpecting(bytes memory expected, Assignment memory a, Commitment memory m) private {
        bytes memory aSignature = signAssignment(id, a);
        bytes memory signature = signCommitment(id, m);
        vm.expectRevert(expected);
        _assign(a, aSignature, m, signature);
    }

    function _commitExpecting(bytes memory expected, Commitment memory m) private {
        bytes memory signature = signCommitment(id, m);
        vm.expectRevert(expected);
        _commit(m, signature);
    }

    // ---------------------------------------------------------------- commitAssigned

    function test_WhenFirstOfAnAttempt() external {
        Assignment memory a = assignmentOf(1);
        Commitment memory m = commitmentOf(1, 1, 500);
        bytes32 head = hashCommitment(id, 0, m);
        bytes memory aSignature = signAssignment(id, a);
        bytes memory signature = signCommitment(id, m);
        vm.expectEmit(address(coordinator));
        emit ITrainingCoordinator.AttemptAssigned(id, worker.addr, 1, 0, a.validUntil);
        vm.expectEmit(address(coordinator));
        emit ITrainingCoordinator.CommitmentLanded(id, 1, 10, 500, m.pointsDigest, m.lastValues, relayer.addr);
        _assign(a, aSignature, m, signature);
        RequestState memory state = coordinator.stateOf(id);
        assertEq(state.worker, worker.addr);
        assertEq(state.attempt, 1);
        assertEq(state.sequence, 1);
        assertEq(state.units, 500);
        assertEq(coordinator.headOf(id), head);
        assertCredit(relayer, RELAY_FEE);
    }

    function test_WhenAnotherAttemptGoesOn() external {
        landFirst(escrow, details, 1, 500);
        landNext(escrow, details, 900);
        bytes32 head = coordinator.headOf(id);
        // The new attempt resumed from a checkpoint: fewer units, the high-water mark stays.
        Commitment memory m = landFirst(escrow, details, 3, 700);
        RequestState memory state = coordinator.stateOf(id);
        assertEq(state.attempt, 3);
        assertEq(state.sequence, 3);
        assertEq(state.units, 900);
        assertEq(coordinator.headOf(id), hashCommitment(id, head, m));
    }

    function test_RevertWhen_AttemptIsNotHigher() external {
        landFirst(escrow, details, 2, 500);
        bytes4 stale = ITrainingCoordinator.TrainingCoordinator_StaleAttempt.selector;
        _assignExpecting(abi.encodeWithSelector(stale, 2, 2), assignmentOf(2), commitmentOf(2, 2, 600));
        _assignExpecting(abi.encodeWithSelector(stale, 1, 2), assignmentOf(1), commitmentOf(1, 2, 600));
    }

    function test_RevertWhen_AssignmentExpired() external {
        Assignment memory a = assignmentOf(1);
        vm.warp(uint256(a.validUntil) + 1);
        _assignExpecting(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_AssignmentExpired.selector, a.validUntil),
            a,
            commitmentOf(1, 1, 500)
        );
    }

    function test_RevertWhen_AssignmentIsNotTheSchedulers() external {
        Assignment memory a = assignmentOf(1);
        Commitment memory m = commitmentOf(1, 1, 500);
        bytes memory forged = sign(worker, address(coordinator), hashAssignment(id, a));
        bytes memory signature = signCommitment(id, m);
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, scheduler.addr));
        _assign(a, forged, m, signature);
    }

    function test_RevertWhen_AssignmentIsMalleable() external {
        Assignment memory a = assignmentOf(1);
        Commitment memory m = commitmentOf(1, 1, 500);
        (bytes memory high, bytes32 s) = malleable(signAssignment(id, a));
        bytes memory signature = signCommitment(id, m);
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_MalleableSignature.selector, s));
        _assign(a, high, m, signature);
    }

    function test_RevertWhen_CommitmentNamesAnotherAttempt() external {
        _assignExpecting(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_AttemptNotAssigned.selector, 3, 2),
            assignmentOf(2),
            commitmentOf(3, 1, 500)
        );
    }

    function test_RevertWhen_FirstLandingIsAfterTheStartDeadline() external {
        vm.warp(escrow.landing.startDeadline);
        Assignment memory a = assignmentOf(1);
        Commitment memory m = commitmentOf(1, 1, 500);
        uint256 snapshot = vm.snapshotState();
        _assign(a, m);
        vm.revertToState(snapshot);
        vm.warp(uint256(escrow.landing.startDeadline) + 1);
        _assignExpecting(
            abi.encodeWithSelector(
                ITrainingCoordinator.TrainingCoordinator_TooLate.selector, escrow.landing.startDeadline
            ),
            a,
            m
        );
    }

    function test_RevertGiven_RequestEnded_WhenAssigned() external {
        landClosure(escrow, details);
        _assignExpecting(
            abi.encodeWithSelector(
                ITrainingCoordinator.TrainingCoordinator_WrongStatus.selector, id, RequestStatus.FAILED
            ),
            assignmentOf(1),
            commitmentOf(1, 1, 500)
        );
    }

    function test_GivenSchedulerIsAContract() external {
        ContractAccount account = new ContractAccount(scheduler.addr);
        vm.startPrank(developer.addr);
        escrow.scheduler = address(account);
        models.offerMethod(base, "classify", _withScheduler(address(account)));
        vm.stopPrank();
        escrow.landing.openedAt = uint40(block.timestamp) - 60;
        id = openWith(escrow, details, oneInput());
        landFirst(escrow, details, 1, 500);
        assertEq(coordinator.stateOf(id).sequence, 1);
    }

    function _withScheduler(address account) private view returns (MethodTerms memory terms) {
        terms = methodTerms();
        terms.scheduler = account;
    }

    // ---------------------------------------------------------------- commit

    function test_WhenNext() external {
        landFirst(escrow, details, 1, 500);
        bytes32 before = coordinator.headOf(id);
        Commitment memory m = landNext(escrow, details, 900);
        assertEq(coordinator.headOf(id), hashCommitment(id, before, m));
        assertEq(coordinator.stateOf(id).sequence, 2);
        assertEq(coordinator.stateOf(id).units, 900);
        assertCredit(relayer, 2 * RELAY_FEE);
    }

    function test_WhenPastTheRelayCap() external {
        landFirst(escrow, details, 1, 500);
        for (uint256 i = 0; i < RELAY_CAP; ++i) {
            landNext(escrow, details, 500);
        }
        assertEq(coordinator.stateOf(id).sequence, RELAY_CAP + 1);
        assertCredit(relayer, RELAY_CAP * RELAY_FEE);
    }

    function test_WhenLandedThroughTheForwarder() external {
        landFirst(escrow, details, 1, 500);
        Commitment memory m = commitmentOf(1, 2, 600);
        bytes memory signature = signCommitment(id, m);
        forward(
            stranger,
            address(coordinator),
            abi.encodeCall(coordinator.commit, (escrow.landing, termsHash, m, signature))
        );
        assertCredit(stranger, RELAY_FEE);
    }

    function test_RevertGiven_UnknownRequest() external {
        details.salt = keccak256("other");
        detailsHash = hashOf(details);
        termsHash = termsHashOf(escrow, details);
        id = idOf(escrow, details);
        bytes memory unknown =
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_UnknownRequest.selector, id);
        _commitExpecting(unknown, commitmentOf(1, 1, 0));
        _assignExpecting(unknown, assignmentOf(1), commitmentOf(1, 1, 0));
    }

    function test_RevertGiven_NothingAssigned() external {
        _commitExpecting(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_AttemptNotAssigned.selector, 1, 0),
            commitmentOf(1, 1, 500)
        );
    }

    function test_RevertWhen_AttemptIsStale() external {
        landFirst(escrow, details, 1, 500);
        landFirst(escrow, details, 2, 500);
        _commitExpecting(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_StaleAttempt.selector, 1, 2),
            commitmentOf(1, 3, 600)
        );
    }

    function test_RevertWhen_Replayed() external {
        landFirst(escrow, details, 1, 500);
        Commitment memory m = commitmentOf(1, 2, 600);
        bytes memory signature = signCommitment(id, m);
        _commit(m, signature);
        _expect(ITrainingCoordinator.TrainingCoordinator_WrongSequence.selector, 2, 3);
        _commit(m, signature);
    }

    function test_RevertWhen_SequenceIsSkipped() external {
        landFirst(escrow, details, 1, 500);
        _commitExpecting(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_WrongSequence.selector, 3, 2),
            commitmentOf(1, 3, 600)
        );
    }

    function test_RevertWhen_UnitsAreOverTheLimit() external {
        landFirst(escrow, details, 1, 500);
        vm.warp(block.timestamp + 1000);
        Commitment memory m = commitmentOf(1, 2, UNIT_LIMIT);
        uint256 snapshot = vm.snapshotState();
        _commit(m);
        vm.revertToState(snapshot);
        m.units = UNIT_LIMIT + 1;
        _commitExpecting(
            abi.encodeWithSelector(
                ITrainingCoordinator.TrainingCoordinator_UnitsOverLimit.selector, UNIT_LIMIT + 1, UNIT_LIMIT
            ),
            m
        );
    }

    function test_RevertWhen_UnitsAreTooFast() external {
        landFirst(escrow, details, 1, 500);
        // 100 seconds after the opening allow the whole limit of 100,000 units, 99 do not.
        vm.warp(uint256(escrow.landing.openedAt) + 99);
        uint48 maximum = 99 * uint48(MAX_RATE);
        _commitExpecting(
            abi.encodeWithSelector(
                ITrainingCoordinator.TrainingCoordinator_UnitsTooFast.selector, maximum + 1, maximum
            ),
            commitmentOf(1, 2, maximum + 1)
        );
        _commit(commitmentOf(1, 2, maximum));
    }

    function test_RevertWhen_GraceIsOver() external {
        landFirst(escrow, details, 1, 500);
        uint256 last = uint256(escrow.landing.deadline) + escrow.landing.gracePeriod;
        vm.warp(last + 1);
        _commitExpecting(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_TooLate.selector, last),
            commitmentOf(1, 2, 600)
        );
        vm.warp(last);
        _commit(commitmentOf(1, 2, 600));
    }

    function test_RevertGiven_Cancelling_WhenGraceIsOver() external {
        landFirst(escrow, details, 1, 500);
        cancel(escrow, details);
        uint256 last = block.timestamp + escrow.landing.gracePeriod;
        vm.warp(last);
        _commit(commitmentOf(1, 2, 600));
        assertStatus(id, RequestStatus.CANCELLING);
        vm.warp(last + 1);
        _commitExpecting(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_TooLate.selector, last),
            commitmentOf(1, 3, 700)
        );
    }

    // ---------------------------------------------------------------- signatures

    function _invalid(bytes memory signature, Commitment memory m) private {
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, worker.addr));
        _commit(m, signature);
    }

    function test_RevertWhen_SignedForAnotherHeadWorkerChainOrContract() external {
        landFirst(escrow, details, 1, 500);
        Commitment memory m = commitmentOf(1, 2, 600);
        bytes32 structHash = hashCommitment(id, coordinator.headOf(id), m);
        string memory name = "Offsetdata TrainingCoordinator";
        _invalid(sign(worker, address(coordinator), hashCommitment(id, keccak256("other head"), m)), m);
        _invalid(sign(stranger, address(coordinator), structHash), m);
        _invalid(sign(worker, digestIn(name, "1", block.chainid + 1, address(coordinator), structHash)), m);
        _invalid(sign(worker, digestIn(name, "1", block.chainid, address(models), structHash)), m);
        _invalid(sign(worker, digestIn(name, "2", block.chainid, address(coordinator), structHash)), m);
        _invalid("", m);
        _commit(m, sign(worker, digestIn(name, "1", block.chainid, address(coordinator), structHash)));
    }

    function test_RevertWhen_Malleable() external {
        landFirst(escrow, details, 1, 500);
        Commitment memory m = commitmentOf(1, 2, 600);
        (bytes memory high, bytes32 s) = malleable(signCommitment(id, m));
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_MalleableSignature.selector, s));
        _commit(m, high);
    }

    function test_RevertWhen_TermsAreNotCleanlyEncoded() external {
        landFirst(escrow, details, 1, 500);
        Commitment memory m = commitmentOf(1, 2, 600);
        bytes memory data = abi.encodeCall(coordinator.commit, (escrow.landing, termsHash, m, signCommitment(id, m)));
        // The highest byte of the unit limit's word: the same number after cutting it to 48 bits.
        data[4 + 4 * 32] = 0x01;
        (bool success, bytes memory result) = address(coordinator).call(data);
        assertFalse(success);
        assertEq(bytes4(result), ITrainingCoordinator.TrainingCoordinator_UnknownRequest.selector);
    }
}
