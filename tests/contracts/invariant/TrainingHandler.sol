// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITrainingCoordinator} from "offsetdata/interfaces/ITrainingCoordinator.sol";
import {
    Assignment,
    Closure,
    Commitment,
    DataInput,
    DataReceipt,
    EscrowTerms,
    RequestStatus,
    Settlement
} from "offsetdata/types/Training.sol";

import {CollectionHandler} from "./CollectionHandler.sol";
import {Handler, Stage} from "./Handler.sol";
import {ModelHandler} from "./ModelHandler.sol";
import {TrainingActions} from "./TrainingActions.sol";
import {TrainingModel} from "./TrainingModel.sol";

/// @notice The rest of `TrainingActions`: receipts, ends, money, and what has to be refused whoever tries.
contract TrainingHandler is TrainingActions {
    constructor(Stage memory stage, CollectionHandler collections_, ModelHandler registry_)
        Handler(stage)
        TrainingModel(registry_)
        TrainingActions(collections_)
    {}

    /// @notice Opens a first request: the actions need one to act on.
    function prepare() external {
        for (uint256 seed = 0; tracked.length == 0; ++seed) {
            this.request(seed);
        }
    }

    // ---------------------------------------------------------------- ends

    function cancel(uint256 seed) external drawn(seed) {
        uint256 i = _pick();
        if (!rarely(4)) return;
        Tracked storage t = tracked[i];
        bool expected = t.status == RequestStatus.OPEN && block.timestamp <= _last(i);
        bytes memory data = abi.encodeCall(coordinator.requestCancel, (escrows[i], t.detailsHash));
        step(escrows[i].user, address(coordinator), data, expected);
        if (expected) (t.status, t.cancelledAt) = (RequestStatus.CANCELLING, uint40(block.timestamp));
    }

    function settle(uint256 seed) external drawn(seed) {
        uint256 i = _pick();
        if (!rarely(3)) return;
        Tracked storage t = tracked[i];
        Settlement memory m;
        (m.attempt, m.sequence, m.units) = (t.attempt, t.sequence, uint48(draw(_mostUnits(i) + 1)));
        m.artifactDigest = bytes32(draw(1e9));
        bool expected = _isRunning(t) && t.sequence != 0 && block.timestamp <= _last(i);
        address relayer = somebody().addr;
        step(relayer, address(coordinator), _settlement(i, m), expected);
        if (!expected) return;
        if (m.units > t.units) t.units = m.units;
        owed[relayer] += _fee(i, t.sequence + 1);
        versions[t.model].push(hashSettlement(t.id, t.head, m));
        // The settlement is one more landing; the head stays that of the last commitment.
        t.sequence += 1;
        _ended(i, RequestStatus.SETTLED, uint256(t.units) * escrows[i].unitPrice);
        t.sequence -= 1;
    }

    function close(uint256 seed) external drawn(seed) {
        uint256 i = _pick();
        if (!rarely(6)) return;
        Tracked storage t = tracked[i];
        bool open = t.status == RequestStatus.OPEN;
        bool running = _isRunning(t);
        step(somebody().addr, address(coordinator), _closure(i), running);
        if (!running) return;
        _ended(i, open ? RequestStatus.FAILED : RequestStatus.CANCELLED, _heldBack(i, t.units));
    }

    function expire(uint256 seed) external drawn(seed) {
        // Its time is over where it can be: no such request is what `_pick` looks for.
        _expire(draw(tracked.length));
    }

    // ---------------------------------------------------------------- money

    /// @notice A receipt of any attempt that was assigned, over more or fewer records than were paid.
    function claimData(uint256 seed) external drawn(seed) {
        uint256 i = draw(tracked.length);
        Tracked storage t = tracked[i];
        DataReceipt memory m;
        m.input = uint32(draw(inputs[i].length));
        Assignment memory a;
        (a.attempt, a.worker) = (t.attempt + 1, workers[draw(2)].addr);
        if (assignments[i].length != 0) a = assignments[i][draw(assignments[i].length)];
        m.attempt = a.attempt;
        DataInput memory input = inputs[i][m.input];
        m.records = uint32(draw(uint256(input.recordCap) + 2));
        uint32 paid = recordsPaid[i][m.input];
        bool expected = m.records > paid && m.records <= input.recordCap && input.pricePerRecord != 0
            && (_isRunning(t) || (t.closedAt != 0 && block.timestamp <= t.closedAt + escrows[i].receiptWindow));
        step(somebody().addr, address(coordinator), _receipt(i, a, m), expected);
        if (!expected) return;
        uint128 amount = input.pricePerRecord * (m.records - paid);
        recordsPaid[i][m.input] = m.records;
        t.dataPaid += amount;
        owed[input.payee] += amount;
    }

    function collect(uint256 seed) external drawn(seed) {
        uint256 i = _pick();
        Tracked storage t = tracked[i];
        uint256 amount = _heldBack(i, t.units) - _heldBack(i, t.collected);
        bytes memory data = abi.encodeCall(coordinator.collect, (escrows[i], t.detailsHash));
        step(escrows[i].developer, address(coordinator), data, _isRunning(t) && amount != 0);
        if (!_isRunning(t) || amount == 0) return;
        t.collected = t.units;
        owed[escrows[i].developer] += amount;
    }

    function releaseData(uint256 seed) external drawn(seed) {
        _releaseData(draw(tracked.length));
    }

    function withdraw(uint256 seed) external drawn(seed) {
        address account = somebody().addr;
        pull(coordinator, account);
        owed[account] = 0;
    }

    // ---------------------------------------------------------------- what never lands

    /// @notice The worker of an earlier attempt goes on, settles, and its old assignment is landed again.
    function goStale(uint256 seed) external drawn(seed) {
        uint256 i = _pick();
        uint256 count = assignments[i].length;
        if (count == 0 || !_isRunning(tracked[i])) return;
        Assignment memory old = assignments[i][draw(count)];
        old.validUntil = type(uint40).max;
        bytes4 reason = ITrainingCoordinator.TrainingCoordinator_StaleAttempt.selector;
        address relayer = somebody().addr;
        Commitment memory m = _drawCommitment(i, old.attempt);
        refused(relayer, address(coordinator), _assigned(i, old, m), reason);
        if (old.attempt == tracked[i].attempt) return;
        refused(relayer, address(coordinator), _next(i, m), reason);
        Settlement memory s;
        (s.attempt, s.sequence) = (old.attempt, tracked[i].sequence);
        refused(relayer, address(coordinator), _settlement(i, s), reason);
        ++taken[msg.sig];
    }

    /// @notice Everything that a running request takes is tried on one that ended.
    function disturb(uint256 seed) external drawn(seed) {
        uint256 i = draw(tracked.length);
        Tracked storage t = tracked[i];
        if (_isRunning(t) || t.attempt > 250) return;
        EscrowTerms memory e = escrows[i];
        bytes4 reason = ITrainingCoordinator.TrainingCoordinator_WrongStatus.selector;
        Assignment memory a = Assignment(t.attempt + 1, workers[0].addr, 0, type(uint40).max);
        Settlement memory s;
        (s.attempt, s.sequence) = (t.attempt, t.sequence);
        refused(e.user, address(coordinator), _assigned(i, a, _drawCommitment(i, a.attempt)), reason);
        refused(e.user, address(coordinator), _next(i, _drawCommitment(i, t.attempt)), reason);
        // What never had a landing has no head to settle on, which is asked first.
        if (t.sequence != 0) refused(e.user, address(coordinator), _settlement(i, s), reason);
        refused(e.user, address(coordinator), _closure(i), reason);
        refused(e.user, address(coordinator), abi.encodeCall(coordinator.expire, (e, t.detailsHash)), reason);
        refused(e.user, address(coordinator), abi.encodeCall(coordinator.requestCancel, (e, t.detailsHash)), reason);
        refused(e.developer, address(coordinator), abi.encodeCall(coordinator.collect, (e, t.detailsHash)), reason);
        reason = ITrainingCoordinator.TrainingCoordinator_AlreadyRequested.selector;
        bytes memory again = abi.encodeCall(coordinator.request, (e, details[i], inputs[i]));
        refused(e.user, address(coordinator), again, reason);
        ++taken[msg.sig];
    }

    // ---------------------------------------------------------------- after the last window

    /// @notice What still runs expires; after the last receipt window all escrow goes back and all credit is pulled.
    function drain() external {
        vm.warp(block.timestamp + 3 days);
        for (uint256 i = 0; i < tracked.length; ++i) {
            if (_isRunning(tracked[i])) _expire(i);
        }
        vm.warp(block.timestamp + 3 days);
        for (uint256 i = 0; i < tracked.length; ++i) {
            if (tracked[i].closedAt != 0 && escrows[i].dataEscrow != tracked[i].dataPaid) _releaseData(i);
        }
        for (uint256 i = 0; i < PEOPLE; ++i) {
            owed[people[i].addr] = 0;
            if (coordinator.creditOf(people[i].addr) != 0) pull(coordinator, people[i].addr);
        }
    }

    function actions() external pure override returns (bytes4[] memory list_) {
        list_ = new bytes4[](14);
        (list_[0], list_[1], list_[2]) = (this.request.selector, this.assign.selector, this.commit.selector);
        (list_[3], list_[4], list_[5]) = (this.commitBatch.selector, this.cancel.selector, this.settle.selector);
        (list_[6], list_[7], list_[8]) = (this.close.selector, this.expire.selector, this.claimData.selector);
        (list_[9], list_[10], list_[11]) = (this.collect.selector, this.releaseData.selector, this.withdraw.selector);
        (list_[12], list_[13]) = (this.goStale.selector, this.disturb.selector);
    }

    function names() external pure override returns (string[] memory list_) {
        list_ = new string[](14);
        (list_[0], list_[1], list_[2], list_[3]) = ("request", "assign", "commit", "commitBatch");
        (list_[4], list_[5], list_[6], list_[7]) = ("cancel", "settle", "close", "expire");
        (list_[8], list_[9], list_[10], list_[11]) = ("claimData", "collect", "releaseData", "withdraw");
        (list_[12], list_[13]) = ("goStale", "disturb");
    }

    // ---------------------------------------------------------------- internals

    function _expire(uint256 i) private {
        Tracked storage t = tracked[i];
        bool expected = _isRunning(t) && block.timestamp > _last(i);
        bytes memory data = abi.encodeCall(coordinator.expire, (escrows[i], t.detailsHash));
        step(somebody().addr, address(coordinator), data, expected);
        if (!expected) return;
        bool open = t.status == RequestStatus.OPEN;
        _ended(i, open ? RequestStatus.EXPIRED : RequestStatus.CANCELLED, _heldBack(i, t.units));
    }

    function _releaseData(uint256 i) private {
        Tracked storage t = tracked[i];
        EscrowTerms memory e = escrows[i];
        uint128 rest = e.dataEscrow - t.dataPaid;
        bool expected = !_isRunning(t) && t.closedAt != 0 && rest != 0 && block.timestamp > t.closedAt + e.receiptWindow;
        bytes memory data = abi.encodeCall(coordinator.releaseDataEscrow, (e, t.detailsHash));
        step(somebody().addr, address(coordinator), data, expected);
        if (!expected) return;
        t.closedAt = 0;
        owed[e.user] += rest;
    }

    function _settlement(uint256 i, Settlement memory m) private view returns (bytes memory) {
        Tracked storage t = tracked[i];
        bytes memory signature = _sign(_workerOf(t.worker), hashSettlement(t.id, t.head, m));
        return abi.encodeCall(coordinator.settle, (escrows[i], details[i], m, signature));
    }

    function _closure(uint256 i) private view returns (bytes memory) {
        Tracked storage t = tracked[i];
        Closure memory m = Closure(t.sequence, keccak256("reason"));
        bytes memory signature = _sign(scheduler, hashClosure(t.id, m));
        return abi.encodeCall(coordinator.close, (escrows[i], t.detailsHash, m, signature));
    }

    function _receipt(uint256 i, Assignment memory a, DataReceipt memory m) private view returns (bytes memory) {
        Tracked storage t = tracked[i];
        bytes memory assignment = _sign(scheduler, hashAssignment(t.id, a));
        bytes memory receipt = _sign(_workerOf(a.worker), hashReceipt(t.id, inputs[i][m.input].collection, m));
        return abi.encodeCall(coordinator.claimData, (escrows[i], details[i], inputs[i], a, assignment, m, receipt));
    }
}
