// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC2771Context} from "@openzeppelin/contracts/metatx/ERC2771Context.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Credits} from "./Credits.sol";
import {IAccessToken} from "./interfaces/IAccessToken.sol";
import {ICollectionRegistry} from "./interfaces/ICollectionRegistry.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IReceiveWithAuthorization} from "./interfaces/IReceiveWithAuthorization.sol";
import {ITrainingCoordinator} from "./interfaces/ITrainingCoordinator.sol";
import {CalldataWords} from "./libraries/CalldataWords.sol";
import {PackedState, PackedStates} from "./libraries/PackedStates.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {TrainingHashes} from "./libraries/TrainingHashes.sol";
import {TrainingLanding} from "./libraries/TrainingLanding.sol";
import {TrainingMoney} from "./libraries/TrainingMoney.sol";
import {TrainingTerms} from "./libraries/TrainingTerms.sol";
import {CollectionId, ModelId, RequestId} from "./types/Ids.sol";
import {TrainingQuote} from "./types/Model.sol";
import {
    Assignment,
    Closure,
    CommitItem,
    Commitment,
    DataInput,
    DataReceipt,
    EscrowTerms,
    LandingTerms,
    RequestDetails,
    RequestLedger,
    RequestState,
    RequestStatus,
    Settlement
} from "./types/Training.sol";

/// @title TrainingCoordinator
/// @notice Escrow, signed work and versions of training requests. The interface says how. It keeps no terms: every
/// call brings them along and they have to hash to a request.
/// @dev The settlement token must move exactly the amount it is told (no fee on transfer, no rebasing).
contract TrainingCoordinator is ITrainingCoordinator, Credits, EIP712 {
    using SafeERC20 for IERC20;
    using CalldataWords for Commitment;
    using TrainingHashes for EscrowTerms;
    using TrainingMoney for EscrowTerms;
    using TrainingMoney for LandingTerms;

    /// @notice Where collections are registered.
    ICollectionRegistry public immutable collectionRegistry;
    /// @notice Where the TRAIN right is held.
    IAccessToken public immutable accessToken;
    /// @notice Where models and methods are quoted.
    IModelRegistry public immutable modelRegistry;

    mapping(RequestId request => PackedState) private _states;
    mapping(RequestId request => bytes32 head) private _heads;
    mapping(RequestId request => RequestLedger) private _ledgers;
    mapping(RequestId request => mapping(uint32 input => uint32 records)) private _recordsPaid;
    mapping(ModelId model => uint32 count) private _versionCounts;
    mapping(ModelId model => mapping(uint32 version => bytes32 digest)) private _versionDigests;

    constructor(
        IERC20 token_,
        ICollectionRegistry collectionRegistry_,
        IAccessToken accessToken_,
        IModelRegistry modelRegistry_,
        address forwarder
    ) Credits(token_, forwarder) EIP712("Offsetdata TrainingCoordinator", "1") {
        collectionRegistry = collectionRegistry_;
        accessToken = accessToken_;
        modelRegistry = modelRegistry_;
    }

    // ---------------------------------------------------------------- request

    /// @inheritdoc ITrainingCoordinator
    function request(EscrowTerms calldata escrow, RequestDetails calldata details, DataInput[] calldata inputs)
        external
        nonReentrant
        returns (RequestId id)
    {
        _requireUser(escrow);
        id = _open(escrow, details, inputs);
        // The user is the caller.
        // slither-disable-next-line arbitrary-send-erc20
        token.safeTransferFrom(escrow.user, address(this), escrow.escrowed());
    }

    /// @inheritdoc ITrainingCoordinator
    function requestWithPermit(
        EscrowTerms calldata escrow,
        RequestDetails calldata details,
        DataInput[] calldata inputs,
        uint256 permitDeadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant returns (RequestId id) {
        _requireUser(escrow);
        id = _open(escrow, details, inputs);
        uint256 amount = escrow.escrowed();
        // Whoever saw the permit may have landed it before: what counts is the allowance.
        try IERC20Permit(address(token)).permit(escrow.user, address(this), amount, permitDeadline, v, r, s) {} catch {}
        // The user is the caller: a failed permit takes nobody else's allowance.
        // slither-disable-next-line arbitrary-send-erc20-permit
        token.safeTransferFrom(escrow.user, address(this), amount);
    }

    /// @inheritdoc ITrainingCoordinator
    function requestWithAuthorization(
        EscrowTerms calldata escrow,
        RequestDetails calldata details,
        DataInput[] calldata inputs,
        uint256 validAfter,
        uint256 validBefore,
        bytes calldata signature
    ) external nonReentrant returns (RequestId id) {
        id = _open(escrow, details, inputs);
        uint256 amount = escrow.escrowed();
        uint256 before = token.balanceOf(address(this));
        IReceiveWithAuthorization(address(token))
            .receiveWithAuthorization(
                escrow.user, address(this), amount, validAfter, validBefore, RequestId.unwrap(id), signature
            );
        // A token without ERC-3009 but with a fallback would accept the call and move nothing.
        require(token.balanceOf(address(this)) >= before + amount, SafeERC20.SafeERC20FailedOperation(address(token)));
    }

    /// @inheritdoc ITrainingCoordinator
    function requestCancel(EscrowTerms calldata escrow, bytes32 detailsHash) external {
        _requireUser(escrow);
        (RequestId id, PackedState state) = _load(escrow, detailsHash);
        _requireStatus(id, state, state.status() == RequestStatus.OPEN);
        uint256 last = TrainingLanding.lastMoment(escrow.landing, state, 0);
        require(block.timestamp <= last, TrainingCoordinator_TooLate(last));

        uint40 cancelledAt = uint40(block.timestamp);
        state = state.ended(RequestStatus.CANCELLING);
        _states[id] = state;
        _ledgers[id].cancelledAt = cancelledAt;
        // At most the deadline, 40 bits, and the grace, whose sum stays far below.
        // forge-lint: disable-next-line(unsafe-typecast)
        emit CancelRequested(id, uint40(TrainingLanding.lastMoment(escrow.landing, state, cancelledAt)));
    }

    // ---------------------------------------------------------------- land signed work

    /// @inheritdoc ITrainingCoordinator
    function commitAssigned(
        EscrowTerms calldata escrow,
        bytes32 detailsHash,
        Assignment calldata assignment,
        bytes calldata assignmentSignature,
        Commitment calldata commitment,
        bytes calldata signature
    ) external {
        (RequestId id, PackedState state) = _load(escrow, detailsHash);
        _requireStatus(id, state, state.isRunning());
        require(
            assignment.attempt > state.attempt(), TrainingCoordinator_StaleAttempt(assignment.attempt, state.attempt())
        );
        require(block.timestamp <= assignment.validUntil, TrainingCoordinator_AssignmentExpired(assignment.validUntil));
        _requireAssignment(escrow, id, assignment, assignmentSignature);

        state =
            PackedStates.pack(assignment.worker, state.status(), assignment.attempt, state.sequence(), state.units());
        emit AttemptAssigned(id, assignment.worker, assignment.attempt, assignment.resumePoint, assignment.validUntil);
        TrainingLanding.requireNone(_land(escrow.landing, id, state, commitment, signature));
        address relayer = _msgSender();
        _emitLanded(id, commitment, relayer);
        _payRelay(relayer, escrow.landing.landingFee(commitment.sequenceWord()));
    }

    /// @inheritdoc ITrainingCoordinator
    function commit(
        LandingTerms calldata landing,
        bytes32 termsHash,
        Commitment calldata commitment,
        bytes calldata signature
    ) external {
        RequestId id = TrainingHashes.requestId(landing, termsHash);
        TrainingLanding.requireNone(_land(landing, id, _states[id], commitment, signature));
        address relayer = _msgSender();
        _emitLanded(id, commitment, relayer);
        _payRelay(relayer, landing.landingFee(commitment.sequenceWord()));
    }

    /// @inheritdoc ITrainingCoordinator
    function commitBatch(CommitItem[] calldata items) external {
        address relayer = _msgSender();
        uint256 fees = 0;
        for (uint256 i = 0; i < items.length; ++i) {
            CommitItem calldata item = items[i];
            Commitment calldata commitment = item.commitment;
            RequestId id = TrainingHashes.requestId(item.landing, item.termsHash);
            bytes memory refusal = _land(item.landing, id, _states[id], commitment, item.signature);
            if (refusal.length == 0) {
                _emitLanded(id, commitment, relayer);
                fees += item.landing.landingFee(commitment.sequenceWord());
            } else {
                // The first four bytes of an error are its selector.
                // forge-lint: disable-next-line(unsafe-typecast)
                emit CommitmentSkipped(id, commitment.sequence, bytes4(refusal));
            }
        }
        _payRelay(relayer, fees);
    }

    /// @inheritdoc ITrainingCoordinator
    function claimData(
        EscrowTerms calldata escrow,
        RequestDetails calldata details,
        DataInput[] calldata inputs,
        Assignment calldata assignment,
        bytes calldata assignmentSignature,
        DataReceipt calldata receipt,
        bytes calldata signature
    ) external {
        (RequestId id, PackedState state) = _load(escrow, TrainingHashes.detailsHash(details));
        _requireRequested(id, state);
        TrainingTerms.requireInputsHash(details, inputs);
        require(receipt.input < inputs.length, TrainingCoordinator_InvalidSelection(receipt.input));
        DataInput calldata input = inputs[receipt.input];
        require(
            receipt.attempt == assignment.attempt,
            TrainingCoordinator_AttemptNotAssigned(receipt.attempt, assignment.attempt)
        );
        _requireAssignment(escrow, id, assignment, assignmentSignature);
        _requireSigner(assignment.worker, TrainingHashes.receipt(id, input.collection, receipt), signature);
        _payData(escrow, id, state, input, assignment.worker, receipt);
    }

    /// @inheritdoc ITrainingCoordinator
    function settle(
        EscrowTerms calldata escrow,
        RequestDetails calldata details,
        Settlement calldata settlement,
        bytes calldata signature
    ) external {
        (RequestId id, PackedState state) = _load(escrow, TrainingHashes.detailsHash(details));
        RequestLedger memory ledger = _ledgers[id];
        _requireRequested(id, state);
        require(state.sequence() != 0, TrainingCoordinator_WrongSequence(settlement.sequence, 1));
        TrainingLanding.requireNone(
            TrainingLanding.refusal(
                escrow.landing,
                id,
                state,
                ledger.cancelledAt,
                settlement.attempt,
                settlement.sequence,
                state.sequence(),
                settlement.units
            )
        );
        bytes32 digest = TrainingHashes.settlement(id, _heads[id], settlement);
        _requireSigner(state.worker(), digest, signature);

        state = state.ended(RequestStatus.SETTLED, Math.max(settlement.units, state.units()));
        _appendVersion(id, details.model, state.worker(), digest, settlement);
        _endWithResult(escrow, id, state, ledger);
    }

    // ---------------------------------------------------------------- end without a result

    /// @inheritdoc ITrainingCoordinator
    function close(EscrowTerms calldata escrow, bytes32 detailsHash, Closure calldata closure, bytes calldata signature)
        external
    {
        (RequestId id, PackedState state) = _load(escrow, detailsHash);
        _requireStatus(id, state, state.isRunning());
        require(
            closure.sequence == state.sequence(), TrainingCoordinator_WrongSequence(closure.sequence, state.sequence())
        );
        _requireSigner(escrow.scheduler, TrainingHashes.closure(id, closure), signature);

        state = state.ended(state.status() == RequestStatus.OPEN ? RequestStatus.FAILED : RequestStatus.CANCELLED);
        _endWithoutResult(escrow, id, state, _ledgers[id], closure.reasonDigest);
    }

    /// @inheritdoc ITrainingCoordinator
    function expire(EscrowTerms calldata escrow, bytes32 detailsHash) external {
        (RequestId id, PackedState state) = _load(escrow, detailsHash);
        _requireStatus(id, state, state.isRunning());
        RequestLedger memory ledger = _ledgers[id];
        uint256 last = TrainingLanding.lastMoment(escrow.landing, state, ledger.cancelledAt);
        require(block.timestamp > last, TrainingCoordinator_TooEarly(last + 1));

        state = state.ended(state.status() == RequestStatus.OPEN ? RequestStatus.EXPIRED : RequestStatus.CANCELLED);
        _endWithoutResult(escrow, id, state, ledger, 0);
    }

    // ---------------------------------------------------------------- money

    /// @inheritdoc ITrainingCoordinator
    function collect(EscrowTerms calldata escrow, bytes32 detailsHash) external {
        require(_msgSender() == escrow.developer, TrainingCoordinator_NotDeveloper(_msgSender(), escrow.developer));
        (RequestId id, PackedState state) = _load(escrow, detailsHash);
        _requireStatus(id, state, state.isRunning());
        uint256 amount = escrow.unitPayHeldBack(state.units()) - escrow.unitPayHeldBack(_ledgers[id].collectedUnits);
        require(amount != 0, TrainingCoordinator_NothingToPay());

        _ledgers[id].collectedUnits = state.units();
        _credit(escrow.developer, amount);
        emit UnitsCollected(id, escrow.developer, state.units(), amount);
    }

    /// @inheritdoc ITrainingCoordinator
    function releaseDataEscrow(EscrowTerms calldata escrow, bytes32 detailsHash) external {
        (RequestId id, PackedState state) = _load(escrow, detailsHash);
        _requireStatus(id, state, !state.isRunning());
        RequestLedger memory ledger = _ledgers[id];
        uint256 amount = escrow.dataEscrow - ledger.dataPaid;
        require(ledger.closedAt != 0 && amount != 0, TrainingCoordinator_NothingToPay());
        uint256 last = uint256(ledger.closedAt) + escrow.receiptWindow;
        require(block.timestamp > last, TrainingCoordinator_TooEarly(last + 1));

        _ledgers[id].closedAt = 0;
        _credit(escrow.user, amount);
        emit DataEscrowReleased(id, escrow.user, amount);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc ITrainingCoordinator
    function requestIdOf(EscrowTerms calldata escrow, bytes32 detailsHash) external view returns (RequestId) {
        return escrow.requestId(detailsHash);
    }

    /// @inheritdoc ITrainingCoordinator
    function termsHashOf(EscrowTerms calldata escrow, bytes32 detailsHash) external pure returns (bytes32) {
        return TrainingHashes.termsHash(escrow, detailsHash);
    }

    /// @inheritdoc ITrainingCoordinator
    function detailsHashOf(RequestDetails calldata details) external pure returns (bytes32) {
        return TrainingHashes.detailsHash(details);
    }

    /// @inheritdoc ITrainingCoordinator
    function inputsHashOf(DataInput[] calldata inputs) external pure returns (bytes32) {
        return TrainingHashes.inputsHash(inputs);
    }

    /// @inheritdoc ITrainingCoordinator
    function escrowOf(EscrowTerms calldata escrow) external pure returns (uint256) {
        return escrow.escrowed();
    }

    /// @inheritdoc ITrainingCoordinator
    function stateOf(RequestId id) external view returns (RequestState memory) {
        return _states[id].unpack();
    }

    /// @inheritdoc ITrainingCoordinator
    function ledgerOf(RequestId id) external view returns (RequestLedger memory) {
        return _ledgers[id];
    }

    /// @inheritdoc ITrainingCoordinator
    function headOf(RequestId id) external view returns (bytes32) {
        return _heads[id];
    }

    /// @inheritdoc ITrainingCoordinator
    function recordsPaidOf(RequestId id, uint32 input) external view returns (uint32) {
        return _recordsPaid[id][input];
    }

    /// @inheritdoc ITrainingCoordinator
    function versionCountOf(ModelId model) external view returns (uint32) {
        return _versionCounts[model];
    }

    /// @inheritdoc ITrainingCoordinator
    function versionDigestOf(ModelId model, uint32 version) external view returns (bytes32) {
        return _versionDigests[model][version];
    }

    // ---------------------------------------------------------------- internals: opening

    /// @dev Checks the terms, opens the request and tells of it. The caller then moves the money.
    function _open(EscrowTerms calldata escrow, RequestDetails calldata details, DataInput[] calldata inputs)
        private
        returns (RequestId id)
    {
        id = escrow.requestId(TrainingHashes.detailsHash(details));
        require(_states[id].status() == RequestStatus.NONE, TrainingCoordinator_AlreadyRequested(id));
        require(
            details.parent.isZero() || _states[details.parent].status() != RequestStatus.NONE,
            TrainingCoordinator_UnknownParent(details.parent)
        );
        TrainingTerms.requireSane(escrow, details);
        TrainingTerms.requireInputsHash(details, inputs);
        TrainingQuote memory quote = modelRegistry.quote(details.model, details.method, escrow.user);
        TrainingTerms.requireQuoted(escrow, details, quote);
        TrainingTerms.requireInputs(collectionRegistry, accessToken, escrow, inputs, quote.intake);

        _states[id] = PackedStates.pack(address(0), RequestStatus.OPEN, 0, 0, 0);
        emit TrainingRequested(id, details.model, escrow.user, escrow, details, inputs);
    }

    // ---------------------------------------------------------------- internals: landing

    /// @dev Lands a commitment of the state's worker, or says why it can't and writes nothing.
    /// @param state As stored, with the worker and attempt of a new assignment.
    /// @return refusal The error's bytes, empty where it landed.
    function _land(
        LandingTerms calldata landing,
        RequestId id,
        PackedState state,
        Commitment calldata commitment,
        bytes calldata signature
    ) private returns (bytes memory refusal) {
        uint256 sequence = commitment.sequenceWord();
        uint256 units = commitment.unitsWord();
        refusal = TrainingLanding.refusal(
            landing,
            id,
            state,
            state.isCancelling() ? _ledgers[id].cancelledAt : 0,
            commitment.attemptWord(),
            sequence,
            uint256(state.sequence()) + 1,
            units
        );
        if (refusal.length != 0) return refusal;
        bytes32 head = TrainingHashes.commitment(id, _heads[id], commitment);
        refusal = TrainingLanding.signatureRefusal(state.worker(), _hashTypedDataV4(head), signature);
        if (refusal.length != 0) return refusal;

        _heads[id] = head;
        _states[id] = state.advanced(sequence, units > state.units() ? units : state.units());
    }

    /// @dev Sequence and units were compared with what they have to be: nothing is cut off.
    // forge-lint: disable-next-item(unsafe-typecast)
    function _emitLanded(RequestId id, Commitment calldata commitment, address relayer) private {
        emit CommitmentLanded(
            id,
            uint32(commitment.sequenceWord()),
            commitment.pointCount,
            uint48(commitment.unitsWord()),
            commitment.pointsDigest,
            commitment.lastValues,
            relayer
        );
    }

    /// @dev The fee of whoever landed the work. Past the cap there is none and nothing is touched.
    function _payRelay(address relayer, uint256 fee) private {
        if (fee != 0) _credit(relayer, fee);
    }

    function _appendVersion(RequestId id, ModelId model, address worker, bytes32 digest, Settlement calldata settlement)
        private
    {
        uint32 version = ++_versionCounts[model];
        _versionDigests[model][version] = digest;
        emit VersionAppended(model, id, version, worker, settlement);
    }

    /// @dev Pays what a receipt adds to the one before, whatever the attempt: never twice for one record.
    function _payData(
        EscrowTerms calldata escrow,
        RequestId id,
        PackedState state,
        DataInput calldata input,
        address worker,
        DataReceipt calldata receipt
    ) private {
        RequestLedger memory ledger = _ledgers[id];
        uint256 last = uint256(ledger.closedAt) + escrow.receiptWindow;
        require(state.isRunning() || block.timestamp <= last, TrainingCoordinator_TooLate(last));
        require(
            receipt.records <= input.recordCap, TrainingCoordinator_RecordsOverCap(receipt.records, input.recordCap)
        );
        uint32 paid = _recordsPaid[id][receipt.input];
        require(receipt.records > paid && input.pricePerRecord != 0, TrainingCoordinator_NothingToPay());

        // No overflow: at most the escrow, which fits.
        uint128 amount = input.pricePerRecord * (receipt.records - paid);
        _recordsPaid[id][receipt.input] = receipt.records;
        _ledgers[id].dataPaid = ledger.dataPaid + amount;
        _credit(input.payee, amount);
        emit DataPaid(id, input.payee, worker, receipt.input, receipt.records, receipt.recordsRoot, amount);
    }

    // ---------------------------------------------------------------- internals: ending

    /// @dev With a result all units are paid and the settlement is one more landing.
    function _endWithResult(EscrowTerms calldata escrow, RequestId id, PackedState state, RequestLedger memory ledger)
        private
    {
        uint256 landings = uint256(state.sequence()) + 1;
        _end(escrow, id, state, ledger, escrow.unitPay(state.units()), landings, 0);
        _payRelay(_msgSender(), escrow.landing.landingFee(landings));
    }

    /// @dev Without a result the developer has no claim to the holdback and the closing itself pays no relay fee.
    function _endWithoutResult(
        EscrowTerms calldata escrow,
        RequestId id,
        PackedState state,
        RequestLedger memory ledger,
        bytes32 reasonDigest
    ) private {
        _end(escrow, id, state, ledger, escrow.unitPayHeldBack(state.units()), state.sequence(), reasonDigest);
    }

    /// @dev Writes the final state and credits developer and user. Data escrow that no receipt has claimed stays.
    function _end(
        EscrowTerms calldata escrow,
        RequestId id,
        PackedState state,
        RequestLedger memory ledger,
        uint256 developerPaid,
        uint256 landings,
        bytes32 reasonDigest
    ) private {
        uint256 relayPaid = escrow.relayPaid(landings);
        uint256 refunded = escrow.refund(developerPaid, relayPaid);
        _states[id] = state;
        if (escrow.dataEscrow != ledger.dataPaid) _ledgers[id].closedAt = uint40(block.timestamp);
        _credit(escrow.developer, developerPaid - escrow.unitPayHeldBack(ledger.collectedUnits));
        _credit(escrow.user, refunded);
        emit RequestClosed(id, state.status(), state.units(), developerPaid, relayPaid, refunded, reasonDigest);
    }

    // ---------------------------------------------------------------- internals: checks

    function _load(EscrowTerms calldata escrow, bytes32 detailsHash)
        private
        view
        returns (RequestId id, PackedState state)
    {
        id = escrow.requestId(detailsHash);
        state = _states[id];
    }

    function _requireUser(EscrowTerms calldata escrow) private view {
        require(_msgSender() == escrow.user, TrainingCoordinator_NotUser(_msgSender(), escrow.user));
    }

    function _requireRequested(RequestId id, PackedState state) private pure {
        require(state.status() != RequestStatus.NONE, TrainingCoordinator_UnknownRequest(id));
    }

    function _requireStatus(RequestId id, PackedState state, bool condition) private pure {
        _requireRequested(id, state);
        require(condition, TrainingCoordinator_WrongStatus(id, state.status()));
    }

    function _requireAssignment(
        EscrowTerms calldata escrow,
        RequestId id,
        Assignment calldata assignment,
        bytes calldata signature
    ) private view {
        _requireSigner(escrow.scheduler, TrainingHashes.assignment(id, assignment), signature);
    }

    function _requireSigner(address signer, bytes32 structHash, bytes calldata signature) private view {
        Signatures.requireSigner(signer, _hashTypedDataV4(structHash), signature);
    }
}
