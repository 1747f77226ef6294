// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessPolicy} from "offsetdata/interfaces/IAccessPolicy.sol";
import {Offer, Right} from "offsetdata/types/Access.sol";
import {BaseId, CollectionId, MethodId, ModelId, ProjectId, RequestId} from "offsetdata/types/Ids.sol";
import {MethodTerms, Visibility} from "offsetdata/types/Model.sol";
import {
    Assignment,
    CommitItem,
    Commitment,
    DataInput,
    EscrowTerms,
    LandingTerms,
    RequestDetails,
    SelectionKind,
    Settlement
} from "offsetdata/types/Training.sol";

import {DataGas} from "./DataGas.s.sol";

/// @notice Cases of users, workers and relayers: request, commit, settle. The worker's messages are hashed here once
/// more, by their type strings.
abstract contract TrainingGas is DataGas {
    bytes32 private constant TRAINER = sha256("trainer");
    uint48 private constant UNIT_LIMIT = 100_000;

    ModelId private model;
    MethodId private method;
    CollectionId[] private inputCollections;
    uint256 private salts = 1_000_000;
    EscrowTerms private escrow;
    RequestDetails private details;

    // ---------------------------------------------------------------- the cases

    function measureTraining() internal {
        _prepareTraining();
        // Accounts that the network has paid before, as in daily life.
        _request("", user, 1);
        _landFirst("");
        _settle("");

        _request("", user, 1);
        _request("request@1", user, 1);
        _landFirst("commitFirst");
        _landNext("commitNext");
        _settle("settleTraining");
        _request("request5", user, 5);
        _measurePermit();
        _measureBatch();
        _measureFlat();
    }

    function _measurePermit() private {
        _terms(guest, 1);
        // Neither the first permit of the account nor one that overwrites an allowance.
        queuePermit(guest, operator.addr, 1);
        flush();
        (uint256 deadline, uint8 v, bytes32 r, bytes32 s) =
            permitOf(guest, address(coordinator), coordinator.escrowOf(escrow));
        bytes memory data =
            abi.encodeCall(coordinator.requestWithPermit, (escrow, details, _inputs(1), deadline, v, r, s));
        send(guest, "requestPermit", address(coordinator), data);
    }

    function _measureBatch() private {
        CommitItem[] memory items = new CommitItem[](20);
        RequestId[] memory ids = new RequestId[](20);
        for (uint256 i = 0; i < 20; ++i) {
            _request("", user, 1);
            _landFirst("");
            (Commitment memory message, bytes memory signature) = _commitment(2, 1200);
            items[i] = CommitItem(escrow.landing, _termsHash(), message, signature);
            ids[i] = _id();
        }
        send(relayer, "commitBatch20", address(coordinator), abi.encodeCall(coordinator.commitBatch, (items)));
        for (uint256 i = 0; i < 20; ++i) {
            require(coordinator.stateOf(ids[i]).sequence == 2, "batch of the benchmark");
        }
    }

    /// @dev 1, 100 and 10,000 requests that the crowd holds open, beside the few of the cases above.
    function _measureFlat() private {
        _open(77);
        _request("request@100", user, 1);
        for (uint256 i = 0; i < 49; ++i) {
            _open(200);
        }
        _open(99);
        _request("request@10000", user, 1);
    }

    // ---------------------------------------------------------------- set up

    function _prepareTraining() private {
        MethodTerms memory terms = MethodTerms({
            unitPrice: 50,
            maxUnitsPerSecond: 1000,
            holdbackBps: 2000,
            intake: 3,
            scheduler: scheduler.addr,
            trainerDigest: TRAINER,
            schemaDigest: sha256("schema")
        });
        address target = address(models);
        send(developer, "", target, abi.encodeCall(models.publishBase, (sha256("base"), "ipfs://base", 0)));
        BaseId base = models.baseIdOf(developer.addr, sha256("base"), 0);
        send(developer, "", target, abi.encodeCall(models.offerMethod, (base, "classify", terms)));
        method = MethodId.wrap(keccak256("classify"));
        send(user, "", target, abi.encodeCall(models.createProject, (sha256("project"), "", 0)));
        ProjectId project = models.projectIdOf(user.addr, sha256("project"), 0);
        address[] memory allowed = new address[](2);
        (allowed[0], allowed[1]) = (address(crowd), guest.addr);
        bytes memory data =
            abi.encodeCall(models.requestModel, (project, base, Visibility.RESTRICTED, allowed, 0, "", 0));
        send(user, "requestModel", target, data);
        model = models.modelIdOf(user.addr, project, base, 0);
        approve(user, address(coordinator));

        for (uint256 i = 0; i < 5; ++i) {
            inputCollections.push(register("", sha256(abi.encode("input", i))));
            Offer memory offer = Offer(0, RECORD_PRICE, publisher.addr, 0, 0, false, true, IAccessPolicy(address(0)));
            data = abi.encodeCall(access.setOffer, (inputCollections[i], Right.TRAIN, offer));
            send(publisher, "", address(access), data);
        }
    }

    // ---------------------------------------------------------------- request

    function _inputs(uint256 count) private view returns (DataInput[] memory list) {
        list = new DataInput[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] =
                DataInput(inputCollections[i], SelectionKind.RANGE, 0, 0, 1000, 1000, RECORD_PRICE, publisher.addr);
        }
    }

    /// @dev Terms of the next request, kept for the steps that follow.
    function _terms(Account memory from, uint256 inputCount) private {
        _escrow(from.addr, uint128(inputCount * 1000 * RECORD_PRICE));
        details = RequestDetails({
            model: model,
            method: method,
            inputsHash: keccak256(abi.encode(_inputs(inputCount))),
            hyperparametersDigest: sha256("hyperparameters"),
            trainerDigest: TRAINER,
            seed: sha256("seed"),
            splitSeed: sha256("split"),
            validationBps: 1000,
            testBps: 1000,
            parent: RequestId.wrap(0),
            salt: bytes32(++salts)
        });
    }

    function _escrow(address from, uint128 dataEscrow) private {
        uint40 time = uint40(block.timestamp) - 60;
        escrow = EscrowTerms({
            user: from,
            developer: developer.addr,
            scheduler: scheduler.addr,
            unitPrice: 50,
            holdbackBps: 2000,
            dataEscrow: dataEscrow,
            receiptWindow: 2 hours,
            landing: LandingTerms({
                unitLimit: UNIT_LIMIT,
                maxUnitsPerSecond: 1000,
                relayFee: 7000,
                relayFeeCap: 5,
                openedAt: time,
                startDeadline: time + 1 hours,
                deadline: time + 1 days,
                gracePeriod: 10 minutes
            })
        });
    }

    function _request(string memory name, Account memory from, uint256 inputCount) private {
        _terms(from, inputCount);
        bytes memory data = abi.encodeCall(coordinator.request, (escrow, details, _inputs(inputCount)));
        send(from, name, address(coordinator), data);
    }

    function _open(uint256 count) private {
        _escrow(address(crowd), 1000 * RECORD_PRICE);
        bytes memory data = abi.encodeCall(crowd.open, (coordinator, escrow, details, _inputs(1), salts + 1, count));
        salts += count;
        send(operator, "", address(crowd), data);
    }

    // ---------------------------------------------------------------- land signed work

    function _id() private view returns (RequestId) {
        return coordinator.requestIdOf(escrow, coordinator.detailsHashOf(details));
    }

    function _termsHash() private view returns (bytes32) {
        return coordinator.termsHashOf(escrow, coordinator.detailsHashOf(details));
    }

    function _commitment(uint32 sequence, uint48 units)
        private
        view
        returns (Commitment memory m, bytes memory signature)
    {
        m = Commitment(1, sequence, sequence * 10, units, sha256("points"), bytes32(uint256(970_000) << 128 | 1));
        bytes32 typehash = keccak256(
            "Commitment(bytes32 request,uint8 attempt,uint32 sequence,bytes32 previousHead,bytes32 pointsDigest,uint32 pointCount,uint48 units,bytes32 lastValues)"
        );
        bytes32 head = coordinator.headOf(_id());
        bytes memory first = abi.encode(typehash, _id(), m.attempt, m.sequence, head, m.pointsDigest);
        bytes memory last = abi.encode(m.pointCount, m.units, m.lastValues);
        signature = sign(worker, digestOf(address(coordinator), keccak256(bytes.concat(first, last))));
    }

    function _landFirst(string memory name) private {
        Assignment memory m = Assignment(1, worker.addr, 0, uint40(block.timestamp + 30 minutes));
        bytes32 typehash =
            keccak256("Assignment(bytes32 request,uint8 attempt,address worker,uint32 resumePoint,uint40 validUntil)");
        bytes memory word = sign(scheduler, digestOf(address(coordinator), keccak256(abi.encode(typehash, _id(), m))));
        (Commitment memory message, bytes memory signature) = _commitment(1, 600);
        bytes32 detailsHash = coordinator.detailsHashOf(details);
        bytes memory data =
            abi.encodeCall(coordinator.commitAssigned, (escrow, detailsHash, m, word, message, signature));
        send(relayer, name, address(coordinator), data);
    }

    function _landNext(string memory name) private {
        (Commitment memory message, bytes memory signature) = _commitment(2, 1200);
        bytes memory data = abi.encodeCall(coordinator.commit, (escrow.landing, _termsHash(), message, signature));
        send(relayer, name, address(coordinator), data);
    }

    function _settle(string memory name) private {
        RequestId id = _id();
        uint32 sequence = coordinator.stateOf(id).sequence;
        Settlement memory m = Settlement({
            attempt: 1,
            sequence: sequence,
            pointCount: sequence * 10,
            units: 1200,
            artifactDigest: sha256("artifact"),
            artifactCid: sha256("cid"),
            seriesRoot: sha256("series"),
            inputsRoot: sha256("inputs"),
            resultValues: bytes32(uint256(970_000))
        });
        bytes32 typehash = keccak256(
            "Settlement(bytes32 request,uint8 attempt,uint32 sequence,bytes32 head,uint32 pointCount,uint48 units,bytes32 artifactDigest,bytes32 artifactCid,bytes32 seriesRoot,bytes32 inputsRoot,bytes32 resultValues)"
        );
        bytes memory first =
            abi.encode(typehash, id, m.attempt, m.sequence, coordinator.headOf(id), m.pointCount, m.units);
        bytes memory last = abi.encode(m.artifactDigest, m.artifactCid, m.seriesRoot, m.inputsRoot, m.resultValues);
        bytes memory signature = sign(worker, digestOf(address(coordinator), keccak256(bytes.concat(first, last))));
        send(relayer, name, address(coordinator), abi.encodeCall(coordinator.settle, (escrow, details, m, signature)));
    }
}
