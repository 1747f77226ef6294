// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITrainingCoordinator} from "offsetdata/interfaces/ITrainingCoordinator.sol";
import {Right} from "offsetdata/types/Access.sol";
import {CollectionId, RequestId} from "offsetdata/types/Ids.sol";
import {
    Assignment,
    CommitItem,
    Commitment,
    DataInput,
    EscrowTerms,
    LandingTerms,
    RequestDetails,
    RequestStatus,
    SelectionKind
} from "offsetdata/types/Training.sol";

import {CollectionHandler} from "./CollectionHandler.sol";
import {ModelHandler} from "./ModelHandler.sol";
import {TrainingModel} from "./TrainingModel.sol";

/// @notice Users request training, schedulers assign it, workers' commitments land one by one or in batches.
abstract contract TrainingActions is TrainingModel {
    CollectionHandler private immutable _collections;

    constructor(CollectionHandler collections_) {
        _collections = collections_;
        for (uint256 i = 0; i < PEOPLE; ++i) {
            vm.prank(people[i].addr);
            token.approve(address(coordinator), type(uint256).max);
        }
    }

    // ---------------------------------------------------------------- request

    function request(uint256 seed) external drawn(seed) {
        if (tracked.length == 3 * MOST) return;
        (Account memory user, uint256 model) = _trainee();
        ModelHandler.KnownBase memory base = registry.baseOf(model);
        bool expected = registry.mayTrain(model, user.addr) && !base.retired && base.offered;
        (DataInput[] memory list_, uint128 data, bool open) = _drawInputs(user.addr);
        RequestDetails memory d = _drawDetails(model, base.terms.trainerDigest, list_);
        EscrowTerms memory e = _drawTerms(user.addr, base, data);
        if (rarely(12)) {
            e.unitPrice += 1;
            expected = false;
        }
        _send(user, e, d, list_, expected && open);
        if (expected && open) _track(model, e, d, list_);
    }

    function _send(
        Account memory user,
        EscrowTerms memory e,
        RequestDetails memory d,
        DataInput[] memory list_,
        bool expected
    ) private {
        bytes memory data = abi.encodeCall(coordinator.request, (e, d, list_));
        address sender = user.addr;
        if (rarely(3)) {
            RequestId id = coordinator.requestIdOf(e, coordinator.detailsHashOf(d));
            bytes memory signature =
                authorized(user, address(coordinator), coordinator.escrowOf(e), RequestId.unwrap(id));
            data = abi.encodeCall(coordinator.requestWithAuthorization, (e, d, list_, 0, type(uint256).max, signature));
            sender = somebody().addr;
        }
        step(sender, address(coordinator), data, expected);
        bytes4 reason = ITrainingCoordinator.TrainingCoordinator_AlreadyRequested.selector;
        if (expected) refused(sender, address(coordinator), data, reason);
    }

    // ---------------------------------------------------------------- land work

    /// @notice The scheduler names the worker of a new attempt; its first commitment lands with that.
    function assign(uint256 seed) external drawn(seed) {
        uint256 i = _pick();
        Tracked storage t = tracked[i];
        if (t.attempt > 250) return;
        Assignment memory a = Assignment({
            attempt: t.attempt + 1 + uint8(draw(2)),
            worker: workers[draw(2)].addr,
            resumePoint: uint32(draw(100)),
            validUntil: uint40(rarely(8) ? block.timestamp - 1 : block.timestamp + draw(1 hours))
        });
        Commitment memory m = _drawCommitment(i, a.attempt);
        bool expected = _isRunning(t) && a.validUntil >= block.timestamp && _lands(i, m);
        address relayer = somebody().addr;
        step(relayer, address(coordinator), _assigned(i, a, m), expected);
        if (!expected) return;
        (t.attempt, t.worker) = (a.attempt, a.worker);
        assignments[i].push(a);
        _landed(i, m, relayer);
    }

    function commit(uint256 seed) external drawn(seed) {
        uint256 i = _pick();
        Tracked storage t = tracked[i];
        Commitment memory m = _drawCommitment(i, t.attempt);
        bool expected = _isRunning(t) && t.attempt != 0 && _lands(i, m);
        address relayer = somebody().addr;
        bytes memory data = _next(i, m);
        step(relayer, address(coordinator), data, expected);
        if (!expected) return;
        _landed(i, m, relayer);
        step(relayer, address(coordinator), data, false);
    }

    /// @notice Requests in whatever state side by side: those that can land do.
    function commitBatch(uint256 seed) external drawn(seed) {
        uint256 first = _pick();
        uint256 count = 1 + draw(tracked.length < 4 ? tracked.length : 4);
        CommitItem[] memory items = new CommitItem[](count);
        for (uint256 n = 0; n < count; ++n) {
            uint256 i = (first + n) % tracked.length;
            items[n].landing = escrows[i].landing;
            items[n].termsHash = coordinator.termsHashOf(escrows[i], tracked[i].detailsHash);
            items[n].commitment = _drawCommitment(i, tracked[i].attempt);
            items[n].signature = _signCommitment(i, items[n].commitment, tracked[i].worker);
        }
        address relayer = somebody().addr;
        step(relayer, address(coordinator), abi.encodeCall(coordinator.commitBatch, (items)), true);
        for (uint256 n = 0; n < count; ++n) {
            uint256 i = (first + n) % tracked.length;
            bool lands = _isRunning(tracked[i]) && tracked[i].attempt != 0 && _lands(i, items[n].commitment);
            if (lands) _landed(i, items[n].commitment, relayer);
        }
    }

    // ---------------------------------------------------------------- what lands

    /// @dev A request, mostly one on which work still lands.
    function _pick() internal returns (uint256 i) {
        uint256 count = tracked.length;
        i = draw(count);
        if (rarely(8)) return i;
        for (uint256 n = 0; n < count && (!_isRunning(tracked[i]) || block.timestamp > _last(i)); ++n) {
            i = (i + 1) % count;
        }
    }

    /// @dev Mostly what can be paid, now and then fewer units than before or one too many.
    function _drawCommitment(uint256 i, uint8 attempt) internal returns (Commitment memory) {
        uint256 most = _mostUnits(i);
        uint256 units = rarely(10) ? most + 1 : draw(most + 1);
        uint32 sequence = tracked[i].sequence + 1;
        return Commitment(attempt, sequence, sequence * 10, uint48(units), bytes32(draw(1e9)), bytes32(draw(1e9)));
    }

    function _lands(uint256 i, Commitment memory m) internal view returns (bool) {
        return block.timestamp <= _last(i) && m.units <= _mostUnits(i);
    }

    function _signCommitment(uint256 i, Commitment memory m, address worker) internal view returns (bytes memory) {
        return _sign(_workerOf(worker), hashCommitment(tracked[i].id, tracked[i].head, m));
    }

    function _assigned(uint256 i, Assignment memory a, Commitment memory m) internal view returns (bytes memory) {
        bytes memory assignment = _sign(scheduler, hashAssignment(tracked[i].id, a));
        bytes memory signature = _signCommitment(i, m, a.worker);
        return
            abi.encodeCall(
                coordinator.commitAssigned, (escrows[i], tracked[i].detailsHash, a, assignment, m, signature)
            );
    }

    function _next(uint256 i, Commitment memory m) internal view returns (bytes memory) {
        bytes32 termsHash = coordinator.termsHashOf(escrows[i], tracked[i].detailsHash);
        bytes memory signature = _signCommitment(i, m, tracked[i].worker);
        return abi.encodeCall(coordinator.commit, (escrows[i].landing, termsHash, m, signature));
    }

    // ---------------------------------------------------------------- terms

    /// @dev Mostly a model that can be trained and its owner.
    function _trainee() private returns (Account memory user, uint256 model) {
        uint256 count = registry.count();
        model = draw(count);
        for (uint256 n = rarely(6) ? count : 0; n < count && !_isOpen(model); ++n) {
            model = (model + 1) % count;
        }
        user = rarely(4) ? somebody() : personOf(registry.knownAt(model).owner);
    }

    function _isOpen(uint256 model) private view returns (bool) {
        ModelHandler.KnownBase memory base = registry.baseOf(model);
        return !base.retired && base.offered && registry.mayTrain(model, registry.knownAt(model).owner);
    }

    function _drawTerms(address user, ModelHandler.KnownBase memory base, uint128 data)
        private
        returns (EscrowTerms memory)
    {
        uint40 time = uint40(block.timestamp);
        uint40 deadline = time + 2 hours + uint40(draw(1 days));
        return EscrowTerms({
            user: user,
            developer: base.developer,
            scheduler: scheduler.addr,
            unitPrice: base.terms.unitPrice,
            holdbackBps: base.terms.holdbackBps,
            dataEscrow: data,
            receiptWindow: uint32(1 hours + draw(1 days)),
            landing: LandingTerms({
                unitLimit: uint48(1 + draw(100_000)),
                maxUnitsPerSecond: base.terms.maxUnitsPerSecond,
                relayFee: uint128(draw(10_000)),
                relayFeeCap: uint32(draw(6)),
                openedAt: time - uint40(draw(1 hours)),
                startDeadline: time + uint40(draw(deadline - time + 1)),
                deadline: deadline,
                gracePeriod: uint32(60 + draw(1 hours))
            })
        });
    }

    function _drawDetails(uint256 model, bytes32 trainerDigest, DataInput[] memory list_)
        private
        returns (RequestDetails memory d)
    {
        d.model = registry.knownAt(model).id;
        d.method = registry.method();
        d.inputsHash = keccak256(abi.encode(list_));
        d.trainerDigest = trainerDigest;
        d.salt = bytes32(tracked.length);
        if (tracked.length != 0 && rarely(3)) d.parent = tracked[draw(tracked.length)].id;
    }

    /// @return list_ One to three inputs.
    /// @return data What they cost at their caps.
    /// @return open Whether the user may train on all of them.
    function _drawInputs(address user) private returns (DataInput[] memory list_, uint128 data, bool open) {
        list_ = new DataInput[](1 + draw(3));
        open = true;
        for (uint256 j = 0; j < list_.length; ++j) {
            DataInput memory input = list_[j];
            uint256 c = draw(_collections.count());
            (bool trains, uint128 price, address payee) = _termsOf(c, user);
            if (rarely(4) || (!trains && !rarely(6))) {
                input.selection = SelectionKind.DIRECT;
                input.selectionRoot = keccak256("direct");
                input.count = uint32(1 + draw(1000));
                input.recordCap = uint32(draw(input.count + 1));
                continue;
            }
            _drawSelection(input, c);
            (input.pricePerRecord, input.payee) = (price + uint128(draw(2)), payee);
            data += input.pricePerRecord * input.recordCap;
            open = open && trains;
        }
    }

    function _drawSelection(DataInput memory input, uint256 c) private {
        uint32 count = _collections.termsAt(c).recordCount;
        input.collection = _collections.knownAt(c).id;
        input.selection = SelectionKind(draw(3));
        input.count = input.selection == SelectionKind.ALL ? count : uint32(1 + draw(count));
        if (input.selection == SelectionKind.RANGE) input.first = uint32(draw(count - input.count + 1));
        if (input.selection == SelectionKind.BITMAP) input.selectionRoot = keccak256("bitmap");
        input.recordCap = uint32(draw(input.count + 1));
    }

    function _termsOf(uint256 c, address user) private view returns (bool open, uint128 price, address payee) {
        CollectionId id = _collections.knownAt(c).id;
        try access.trainingTerms(id, user) returns (uint128 price_, address payee_) {
            assertTrue(access.hasAccess(id, user, Right.TRAIN), "whoever is told terms holds the right");
            return (!_collections.knownAt(c).retired, price_, payee_);
        } catch {}
    }

    function _track(uint256 model, EscrowTerms memory e, RequestDetails memory d, DataInput[] memory list_) private {
        uint256 i = tracked.length;
        tracked.push();
        Tracked storage t = tracked[i];
        t.detailsHash = keccak256(abi.encode(d));
        t.id = coordinator.requestIdOf(e, t.detailsHash);
        (t.model, t.status) = (model, RequestStatus.OPEN);
        escrows.push(e);
        details.push(d);
        for (uint256 j = 0; j < list_.length; ++j) {
            inputs[i].push(list_[j]);
        }
    }
}
