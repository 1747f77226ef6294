// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITrainingCoordinator} from "offsetdata/interfaces/ITrainingCoordinator.sol";
import {RequestId} from "offsetdata/types/Ids.sol";
import {
    Assignment,
    Closure,
    Commitment,
    DataReceipt,
    EscrowTerms,
    RequestDetails,
    RequestState,
    RequestStatus,
    Settlement
} from "offsetdata/types/Training.sol";

import {TrainingBase} from "../unit/TrainingCoordinator/TrainingBase.t.sol";

/// @notice Every call on a request in every status, within its times and after them, signed rightly: the table says
/// which is taken and with which error each other is refused. Who is refused has changed nothing.
contract RequestTransitionsTest is TrainingBase {
    enum Call {
        REQUEST,
        COMMIT_ASSIGNED,
        COMMIT,
        SETTLE,
        CLOSE,
        EXPIRE,
        CANCEL,
        COLLECT,
        CLAIM_DATA,
        RELEASE_DATA
    }

    uint256 private constant CALLS = 10;
    bytes4 private constant TAKEN = 0;
    bytes4 private constant REPEATED = ITrainingCoordinator.TrainingCoordinator_AlreadyRequested.selector;
    bytes4 private constant UNKNOWN = ITrainingCoordinator.TrainingCoordinator_UnknownRequest.selector;
    bytes4 private constant STATUS = ITrainingCoordinator.TrainingCoordinator_WrongStatus.selector;
    bytes4 private constant EARLY = ITrainingCoordinator.TrainingCoordinator_TooEarly.selector;
    bytes4 private constant LATE = ITrainingCoordinator.TrainingCoordinator_TooLate.selector;
    bytes4 private constant TERMS = ITrainingCoordinator.TrainingCoordinator_InvalidTerms.selector;

    EscrowTerms private escrow;
    RequestDetails private details;
    RequestId private id;

    function setUp() public override {
        super.setUp();
        escrow = escrowTerms();
        details = detailsOf(oneInput());
        id = idOf(escrow, details);
    }

    // ---------------------------------------------------------------- the tables, one column a call

    function test_GivenNone() external {
        _row(
            RequestStatus.NONE,
            false,
            [TAKEN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN]
        );
        _row(
            RequestStatus.NONE,
            true,
            [TERMS, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN]
        );
    }

    function test_GivenOpen() external {
        _row(RequestStatus.OPEN, false, [REPEATED, TAKEN, TAKEN, TAKEN, TAKEN, EARLY, TAKEN, TAKEN, TAKEN, STATUS]);
        _row(RequestStatus.OPEN, true, [REPEATED, LATE, LATE, LATE, TAKEN, TAKEN, LATE, TAKEN, TAKEN, STATUS]);
    }

    function test_GivenCancelling() external {
        _row(
            RequestStatus.CANCELLING, false, [REPEATED, TAKEN, TAKEN, TAKEN, TAKEN, EARLY, STATUS, TAKEN, TAKEN, STATUS]
        );
        _row(RequestStatus.CANCELLING, true, [REPEATED, LATE, LATE, LATE, TAKEN, TAKEN, STATUS, TAKEN, TAKEN, STATUS]);
    }

    function test_GivenSettled() external {
        _final(RequestStatus.SETTLED);
    }

    function test_GivenCancelled() external {
        _final(RequestStatus.CANCELLED);
    }

    function test_GivenFailed() external {
        _final(RequestStatus.FAILED);
    }

    function test_GivenExpired() external {
        _final(RequestStatus.EXPIRED);
    }

    /// @dev Nothing leaves an end; only data that was given before is still paid, and what is left of its escrow goes
    /// back after the receipt window.
    function _final(RequestStatus status) private {
        _row(status, false, [REPEATED, STATUS, STATUS, STATUS, STATUS, STATUS, STATUS, STATUS, TAKEN, EARLY]);
        _row(status, true, [REPEATED, STATUS, STATUS, STATUS, STATUS, STATUS, STATUS, STATUS, LATE, TAKEN]);
    }

    // ---------------------------------------------------------------- how they are tried

    /// @dev Tries every call of a row on the same state.
    function _row(RequestStatus status, bool late, bytes4[CALLS] memory expected) private {
        uint256 start = vm.snapshotState();
        _bring(status);
        if (late) vm.warp(block.timestamp + 1 days + 3 hours);
        assertStatus(id, status);
        for (uint256 i = 0; i < CALLS; ++i) {
            uint256 state = vm.snapshotState();
            _try(Call(i), expected[i]);
            vm.revertToState(state);
        }
        vm.revertToState(start);
    }

    function _try(Call call, bytes4 expected) private {
        (address caller, bytes memory data) = _encoded(call);
        RequestState memory before = coordinator.stateOf(id);
        vm.prank(caller);
        (bool success, bytes memory result) = address(coordinator).call(data);
        assertEq(success, expected == TAKEN, string.concat("call ", vm.toString(uint8(call))));
        if (success) return;
        assertEq(bytes4(result), expected, string.concat("error of call ", vm.toString(uint8(call))));
        assertEq(abi.encode(before), abi.encode(coordinator.stateOf(id)));
    }

    /// @dev One landing of a hundred units, and then the way to the status.
    function _bring(RequestStatus status) private {
        if (status == RequestStatus.NONE) return;
        openWith(escrow, details, oneInput());
        vm.warp(block.timestamp + 1000);
        landFirst(escrow, details, 1, 100);
        if (status == RequestStatus.CANCELLING || status == RequestStatus.CANCELLED) cancel(escrow, details);
        if (status == RequestStatus.SETTLED) landSettlement(escrow, details, 100);
        if (status == RequestStatus.CANCELLED || status == RequestStatus.FAILED) landClosure(escrow, details);
        if (status != RequestStatus.EXPIRED) return;
        vm.warp(uint256(escrow.landing.deadline) + escrow.landing.gracePeriod + 1);
        coordinator.expire(escrow, hashOf(details));
    }

    function _encoded(Call call) private view returns (address caller, bytes memory data) {
        bytes32 hash = hashOf(details);
        caller = call == Call.COLLECT ? developer.addr : user.addr;
        if (call == Call.REQUEST) data = abi.encodeCall(coordinator.request, (escrow, details, oneInput()));
        if (call == Call.COMMIT_ASSIGNED) data = _assigned(hash);
        if (call == Call.COMMIT) data = _next();
        if (call == Call.SETTLE) data = _settlement();
        if (call == Call.CLOSE) data = _closure(hash);
        if (call == Call.EXPIRE) data = abi.encodeCall(coordinator.expire, (escrow, hash));
        if (call == Call.CANCEL) data = abi.encodeCall(coordinator.requestCancel, (escrow, hash));
        if (call == Call.COLLECT) data = abi.encodeCall(coordinator.collect, (escrow, hash));
        if (call == Call.CLAIM_DATA) data = _receipt();
        if (call == Call.RELEASE_DATA) data = abi.encodeCall(coordinator.releaseDataEscrow, (escrow, hash));
    }

    function _assigned(bytes32 hash) private view returns (bytes memory) {
        RequestState memory state = coordinator.stateOf(id);
        Assignment memory a = assignmentOf(state.attempt + 1);
        Commitment memory m = commitmentOf(a.attempt, state.sequence + 1, 200);
        return
            abi.encodeCall(
                coordinator.commitAssigned, (escrow, hash, a, signAssignment(id, a), m, signCommitment(id, m))
            );
    }

    function _next() private view returns (bytes memory) {
        RequestState memory state = coordinator.stateOf(id);
        Commitment memory m = commitmentOf(state.attempt, state.sequence + 1, 200);
        return
            abi.encodeCall(coordinator.commit, (escrow.landing, termsHashOf(escrow, details), m, signCommitment(id, m)));
    }

    function _settlement() private view returns (bytes memory) {
        RequestState memory state = coordinator.stateOf(id);
        Settlement memory m = settlementOf(state.attempt, state.sequence, 200);
        return abi.encodeCall(coordinator.settle, (escrow, details, m, signSettlement(id, m)));
    }

    function _closure(bytes32 hash) private view returns (bytes memory) {
        Closure memory m = Closure(coordinator.stateOf(id).sequence, keccak256("reason"));
        return abi.encodeCall(coordinator.close, (escrow, hash, m, signClosure(id, m)));
    }

    function _receipt() private view returns (bytes memory) {
        Assignment memory a = assignmentOf(1);
        DataReceipt memory m = DataReceipt(1, 0, 10, keccak256("records"));
        return abi.encodeCall(
            coordinator.claimData,
            (escrow, details, oneInput(), a, signAssignment(id, a), m, signReceipt(id, collection, m))
        );
    }
}
