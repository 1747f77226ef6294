// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {RequestId} from "offsetdata/types/Ids.sol";
import {
    Assignment,
    Commitment,
    DataInput,
    EscrowTerms,
    LandingTerms,
    RequestDetails,
    RequestLedger,
    RequestState,
    RequestStatus
} from "offsetdata/types/Training.sol";

import {TrainingMessages} from "../mocks/TrainingMessages.sol";
import {Handler} from "./Handler.sol";
import {ModelHandler} from "./ModelHandler.sol";

/// @notice What the coordinator has to know of every request, kept beside it: the state machine, the head, versions and
/// who is owed what. It takes no step.
abstract contract TrainingModel is Handler, TrainingMessages {
    /// What a request has to be. The names are those of `RequestState` and `RequestLedger`.
    struct Tracked {
        RequestId id;
        bytes32 detailsHash;
        uint256 model;
        RequestStatus status;
        uint8 attempt;
        uint32 sequence;
        uint48 units;
        address worker;
        bytes32 head;
        uint40 cancelledAt;
        uint40 closedAt;
        uint48 collected;
        uint128 dataPaid;
    }

    ModelHandler internal immutable registry;
    Account internal scheduler;
    Account[2] internal workers;

    Tracked[] internal tracked;
    EscrowTerms[] internal escrows;
    RequestDetails[] internal details;
    mapping(uint256 request => DataInput[]) internal inputs;
    mapping(uint256 request => Assignment[]) internal assignments;
    mapping(uint256 request => mapping(uint256 input => uint32)) internal recordsPaid;
    mapping(uint256 model => bytes32[]) internal versions;
    mapping(address account => uint256) internal owed;

    constructor(ModelHandler registry_) {
        registry = registry_;
        scheduler = makeAccount("scheduler");
        workers[0] = makeAccount("worker 0");
        workers[1] = makeAccount("worker 1");
    }

    // ---------------------------------------------------------------- what is known

    function check() external view override {
        uint256 standing;
        for (uint256 i = 0; i < tracked.length; ++i) {
            _checkState(i);
            standing += _checkLedger(i);
        }
        for (uint256 i = 0; i < registry.count(); ++i) {
            _checkVersions(i);
        }
        for (uint256 i = 0; i < PEOPLE; ++i) {
            address account = people[i].addr;
            assertEq(coordinator.creditOf(account), owed[account], "each is owed what it earned, to the wei");
        }
        uint256 balance = token.balanceOf(address(coordinator));
        assertEq(balance, creditsOf(coordinator) + standing, "TrainingCoordinator holds credits and escrow");
    }

    /// @dev A terminal state is one that the model never leaves: where the contract did, the two differ.
    function _checkState(uint256 i) private view {
        Tracked storage t = tracked[i];
        RequestState memory state = coordinator.stateOf(t.id);
        assertEq(uint8(state.status), uint8(t.status), "status");
        assertEq(state.attempt, t.attempt, "attempt");
        assertEq(state.sequence, t.sequence, "sequence");
        assertEq(state.units, t.units, "units");
        assertEq(state.worker, t.worker, "worker");
        assertEq(coordinator.headOf(t.id), t.head, "head");
        assertLe(state.units, escrows[i].landing.unitLimit, "paid units are never over the limit");
        uint256 elapsed = block.timestamp - escrows[i].landing.openedAt;
        assertLe(state.units, elapsed * escrows[i].landing.maxUnitsPerSecond, "nor over elapsed seconds times rate");
    }

    /// @return standing What is still escrowed.
    function _checkLedger(uint256 i) private view returns (uint256 standing) {
        Tracked storage t = tracked[i];
        RequestLedger memory ledger = coordinator.ledgerOf(t.id);
        assertEq(ledger.cancelledAt, t.cancelledAt, "cancelledAt");
        assertEq(ledger.closedAt, t.closedAt, "closedAt");
        assertEq(ledger.collectedUnits, t.collected, "collectedUnits");
        assertEq(ledger.dataPaid, t.dataPaid, "dataPaid");
        assertLe(ledger.dataPaid, escrows[i].dataEscrow, "data is never paid over its escrow");
        uint256 data;
        for (uint256 j = 0; j < inputs[i].length; ++j) {
            uint32 records = coordinator.recordsPaidOf(t.id, uint32(j));
            assertEq(records, recordsPaid[i][j], "recordsPaid");
            assertLe(records, inputs[i][j].recordCap, "records are never paid over the cap");
            data += uint256(records) * inputs[i][j].pricePerRecord;
        }
        assertEq(data, ledger.dataPaid, "data is paid by the record");
        if (_isRunning(t)) standing = _runningEscrow(i);
        else if (t.closedAt != 0) standing = escrows[i].dataEscrow - t.dataPaid;
    }

    function _checkVersions(uint256 model) private view {
        bytes32[] storage digests = versions[model];
        assertEq(coordinator.versionCountOf(registry.knownAt(model).id), digests.length, "no version disappears");
        for (uint256 v = 0; v < digests.length; ++v) {
            bytes32 digest = coordinator.versionDigestOf(registry.knownAt(model).id, uint32(v + 1));
            assertEq(digest, digests[v], "no version changes");
        }
    }

    // ---------------------------------------------------------------- the model's rules

    function _isRunning(Tracked storage t) internal view returns (bool) {
        return t.status == RequestStatus.OPEN || t.status == RequestStatus.CANCELLING;
    }

    /// @dev The last second in which signed work lands.
    function _last(uint256 i) internal view returns (uint256 last) {
        LandingTerms storage landing = escrows[i].landing;
        Tracked storage t = tracked[i];
        last = landing.deadline;
        if (t.status == RequestStatus.CANCELLING && t.cancelledAt < last) last = t.cancelledAt;
        last += landing.gracePeriod;
        if (t.sequence == 0 && landing.startDeadline < last) last = landing.startDeadline;
    }

    /// @dev The most units that can be paid now.
    function _mostUnits(uint256 i) internal view returns (uint256 most) {
        LandingTerms storage landing = escrows[i].landing;
        most = (block.timestamp - landing.openedAt) * landing.maxUnitsPerSecond;
        if (most > landing.unitLimit) most = landing.unitLimit;
    }

    function _fee(uint256 i, uint256 landing) internal view returns (uint256) {
        return landing <= escrows[i].landing.relayFeeCap ? escrows[i].landing.relayFee : 0;
    }

    function _heldBack(uint256 i, uint256 units) internal view returns (uint256) {
        return units * escrows[i].unitPrice * (10_000 - escrows[i].holdbackBps) / 10_000;
    }

    function _runningEscrow(uint256 i) internal view returns (uint256 standing) {
        EscrowTerms storage e = escrows[i];
        Tracked storage t = tracked[i];
        standing = uint256(e.unitPrice) * e.landing.unitLimit - _heldBack(i, t.collected);
        uint256 left = t.sequence < e.landing.relayFeeCap ? e.landing.relayFeeCap - t.sequence : 0;
        standing += left * e.landing.relayFee + e.dataEscrow - t.dataPaid;
    }

    /// @dev A commitment that landed.
    function _landed(uint256 i, Commitment memory m, address relayer) internal {
        Tracked storage t = tracked[i];
        t.head = hashCommitment(t.id, t.head, m);
        t.sequence = m.sequence;
        if (m.units > t.units) t.units = m.units;
        owed[relayer] += _fee(i, m.sequence);
    }

    /// @dev An end: the developer has `pay` over the request's life, the relayers their fees, the user the rest.
    function _ended(uint256 i, RequestStatus status, uint256 pay) internal {
        EscrowTerms storage e = escrows[i];
        Tracked storage t = tracked[i];
        uint256 rest = _runningEscrow(i) - (e.dataEscrow - t.dataPaid);
        uint256 developer = pay - _heldBack(i, t.collected);
        t.status = status;
        if (e.dataEscrow != t.dataPaid) t.closedAt = uint40(block.timestamp);
        owed[e.developer] += developer;
        owed[e.user] += rest - developer;
    }

    // ---------------------------------------------------------------- signatures

    function _sign(Account memory signer, bytes32 structHash) internal view returns (bytes memory) {
        return signed(signer, MessageHashUtils.toTypedDataHash(_domain(), structHash));
    }

    function _domain() private view returns (bytes32) {
        (, string memory name, string memory version, uint256 chainId, address verifier,,) =
            IERC5267(address(coordinator)).eip712Domain();
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256(bytes(version)),
                chainId,
                verifier
            )
        );
    }

    function _workerOf(address worker) internal view returns (Account memory) {
        return workers[0].addr == worker ? workers[0] : workers[1];
    }
}
