// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ModelId, RequestId} from "../types/Ids.sol";
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
} from "../types/Training.sol";

/// @title TrainingCoordinator
/// @notice Training requests with their escrow, the signed commitments of workers and the versions of models.
/// A request is the hash of its terms: every call brings the terms along. Whoever lands a signed message earns its fee.
interface ITrainingCoordinator {
    // ---------------------------------------------------------------- events

    /// @notice Emitted when a training is requested and its limit escrowed.
    event TrainingRequested(
        RequestId indexed request,
        ModelId indexed model,
        address indexed user,
        EscrowTerms escrow,
        RequestDetails details,
        DataInput[] inputs
    );

    /// @notice Emitted with the first commitment of an attempt.
    event AttemptAssigned(
        RequestId indexed request, address indexed worker, uint8 attempt, uint32 resumePoint, uint40 validUntil
    );

    /// @notice Emitted when a commitment lands. Attempt and worker are those of the request's last `AttemptAssigned`, the
    /// head is the commitment's hashStruct: what follows from events before is not said again, as it is paid for.
    event CommitmentLanded(
        RequestId indexed request,
        uint32 sequence,
        uint32 pointCount,
        uint48 units,
        bytes32 pointsDigest,
        bytes32 lastValues,
        address relayer
    );

    /// @notice Emitted for each item of a batch that could not land; the others do.
    event CommitmentSkipped(RequestId indexed request, uint32 sequence, bytes4 reason);

    /// @notice Emitted when a data receipt pays its publisher.
    event DataPaid(
        RequestId indexed request,
        address indexed payee,
        address indexed worker,
        uint32 input,
        uint32 records,
        bytes32 recordsRoot,
        uint128 amount
    );

    /// @notice Emitted when the developer collects what is earned so far.
    event UnitsCollected(RequestId indexed request, address indexed developer, uint48 units, uint256 amount);

    /// @notice Emitted when the user asks to stop.
    event CancelRequested(RequestId indexed request, uint40 graceEndsAt);

    /// @notice Emitted when a settlement appends a version to the model.
    event VersionAppended(
        ModelId indexed model, RequestId indexed request, uint32 indexed version, address worker, Settlement settlement
    );

    /// @notice Emitted once, when a request ends. The first two sums are over its whole life, so that together with
    /// `refunded` and the data escrow they are what was escrowed.
    event RequestClosed(
        RequestId indexed request,
        RequestStatus indexed status,
        uint48 units,
        uint256 developerPaid,
        uint256 relayPaid,
        uint256 refunded,
        bytes32 reasonDigest
    );

    /// @notice Emitted when the unclaimed rest of the data escrow goes back to the user.
    event DataEscrowReleased(RequestId indexed request, address indexed user, uint256 amount);

    // ---------------------------------------------------------------- errors

    /// @notice Thrown when the same terms were requested before.
    error TrainingCoordinator_AlreadyRequested(RequestId request);

    /// @notice Thrown when no request has these terms.
    error TrainingCoordinator_UnknownRequest(RequestId request);

    /// @notice Thrown when the request does not stand where this step needs it.
    error TrainingCoordinator_WrongStatus(RequestId request, RequestStatus actual);

    /// @notice Thrown when the caller is not the user of the terms.
    error TrainingCoordinator_NotUser(address caller, address user);

    /// @notice Thrown when the caller is not the developer of the terms.
    error TrainingCoordinator_NotDeveloper(address caller, address developer);

    /// @notice Thrown when the terms differ from what the registry quotes; `field` names the first that does.
    error TrainingCoordinator_TermsNotQuoted(bytes32 field);

    /// @notice Thrown when the inputs do not hash to `details.inputsHash`.
    error TrainingCoordinator_InputsMismatch(bytes32 expected, bytes32 actual);

    /// @notice Thrown when a request has no inputs or more than `maximum`.
    error TrainingCoordinator_InputCountOutOfRange(uint256 actual, uint256 maximum);

    /// @notice Thrown when a selection is empty, leaves its collection, or its cap is over its count.
    error TrainingCoordinator_InvalidSelection(uint256 input);

    /// @notice Thrown when the method does not take such an input.
    error TrainingCoordinator_IntakeNotOffered(uint256 input);

    /// @notice Thrown when an input pays less than its publisher asks, or someone else.
    error TrainingCoordinator_DataTermsNotQuoted(uint256 input, uint128 pricePerRecord, address payee);

    /// @notice Thrown when an input names a collection that is unknown or retired.
    error TrainingCoordinator_CollectionNotOpen(uint256 input);

    /// @notice Thrown when `dataEscrow` is not the sum over the inputs.
    error TrainingCoordinator_DataEscrowMismatch(uint256 expected, uint256 actual);

    /// @notice Thrown when times, grace, window, split or limits make no sense; `field` names the first.
    error TrainingCoordinator_InvalidTerms(bytes32 field);

    /// @notice Thrown when the parent was never requested.
    error TrainingCoordinator_UnknownParent(RequestId parent);

    /// @notice Thrown when a message belongs to an attempt before the current one.
    error TrainingCoordinator_StaleAttempt(uint8 actual, uint8 current);

    /// @notice Thrown when a commitment belongs to an attempt that has no landed assignment.
    error TrainingCoordinator_AttemptNotAssigned(uint8 actual, uint8 current);

    /// @notice Thrown when an assignment lands after its `validUntil`.
    error TrainingCoordinator_AssignmentExpired(uint40 validUntil);

    /// @notice Thrown when a message does not follow the landed sequence.
    error TrainingCoordinator_WrongSequence(uint32 actual, uint32 expected);

    /// @notice Thrown when units go past the limit.
    error TrainingCoordinator_UnitsOverLimit(uint48 actual, uint48 limit);

    /// @notice Thrown when units grew faster than the maximum rate since the request was opened.
    error TrainingCoordinator_UnitsTooFast(uint48 actual, uint256 maximum);

    /// @notice Thrown when signed work lands after its last moment.
    error TrainingCoordinator_TooLate(uint256 last);

    /// @notice Thrown when something is asked before its time.
    error TrainingCoordinator_TooEarly(uint256 first);

    /// @notice Thrown when a receipt claims more records than the cap.
    error TrainingCoordinator_RecordsOverCap(uint32 actual, uint32 cap);

    /// @notice Thrown when a receipt claims no more than was paid already.
    error TrainingCoordinator_NothingToPay();

    // ---------------------------------------------------------------- request

    /// @notice Requests a training and escrows its limit from the caller's allowance.
    /// @return request The id, the same as `requestIdOf(escrow, detailsHashOf(details))`.
    function request(EscrowTerms calldata escrow, RequestDetails calldata details, DataInput[] calldata inputs)
        external
        returns (RequestId);

    /// @notice The same with an ERC-2612 permit of the caller.
    function requestWithPermit(
        EscrowTerms calldata escrow,
        RequestDetails calldata details,
        DataInput[] calldata inputs,
        uint256 permitDeadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external returns (RequestId);

    /// @notice The same by anyone for `escrow.user`, with one signature: an ERC-3009 authorization to this contract
    /// over the whole escrow whose nonce is the request id.
    function requestWithAuthorization(
        EscrowTerms calldata escrow,
        RequestDetails calldata details,
        DataInput[] calldata inputs,
        uint256 validAfter,
        uint256 validBefore,
        bytes calldata signature
    ) external returns (RequestId);

    /// @notice Asks to stop. The user only. Signed work lands until the grace ends.
    function requestCancel(EscrowTerms calldata escrow, bytes32 detailsHash) external;

    // ---------------------------------------------------------------- land signed work

    /// @notice Lands the first commitment of an attempt with its assignment.
    function commitAssigned(
        EscrowTerms calldata escrow,
        bytes32 detailsHash,
        Assignment calldata assignment,
        bytes calldata assignmentSignature,
        Commitment calldata commitment,
        bytes calldata signature
    ) external;

    /// @notice Lands the next commitment of the current attempt.
    /// @param landing The part of the terms that is checked.
    /// @param termsHash `termsHashOf` the rest.
    function commit(
        LandingTerms calldata landing,
        bytes32 termsHash,
        Commitment calldata commitment,
        bytes calldata signature
    ) external;

    /// @notice Lands next commitments of different requests. What cannot land is skipped with its reason.
    function commitBatch(CommitItem[] calldata items) external;

    /// @notice Pays a publisher by a worker's receipt.
    function claimData(
        EscrowTerms calldata escrow,
        RequestDetails calldata details,
        DataInput[] calldata inputs,
        Assignment calldata assignment,
        bytes calldata assignmentSignature,
        DataReceipt calldata receipt,
        bytes calldata signature
    ) external;

    /// @notice Settles: pays all units with the holdback, returns the rest, appends a version.
    function settle(
        EscrowTerms calldata escrow,
        RequestDetails calldata details,
        Settlement calldata settlement,
        bytes calldata signature
    ) external;

    // ---------------------------------------------------------------- end without a result

    /// @notice Ends a request by the scheduler's word: CANCELLING becomes CANCELLED, OPEN becomes FAILED.
    function close(EscrowTerms calldata escrow, bytes32 detailsHash, Closure calldata closure, bytes calldata signature)
        external;

    /// @notice Ends a request whose time has passed. Anyone may.
    function expire(EscrowTerms calldata escrow, bytes32 detailsHash) external;

    // ---------------------------------------------------------------- money

    /// @notice Credits the developer with what the landed units have earned, less the holdback.
    function collect(EscrowTerms calldata escrow, bytes32 detailsHash) external;

    /// @notice Credits the user with the unclaimed data escrow after the receipt window. Anyone may.
    function releaseDataEscrow(EscrowTerms calldata escrow, bytes32 detailsHash) external;

    // ---------------------------------------------------------------- views

    /// @notice The id of these terms on this chain and coordinator.
    function requestIdOf(EscrowTerms calldata escrow, bytes32 detailsHash) external view returns (RequestId);

    /// @notice Hash of the terms that landings don't look at: keccak256(abi.encode(user, developer, scheduler, unitPrice,
    /// holdbackBps, dataEscrow, receiptWindow, detailsHash)).
    function termsHashOf(EscrowTerms calldata escrow, bytes32 detailsHash) external pure returns (bytes32);

    /// @notice keccak256(abi.encode(details)).
    function detailsHashOf(RequestDetails calldata details) external pure returns (bytes32);

    /// @notice keccak256(abi.encode(inputs)).
    function inputsHashOf(DataInput[] calldata inputs) external pure returns (bytes32);

    /// @notice What a request escrows: units, data and relay fees at their limits.
    function escrowOf(EscrowTerms calldata escrow) external pure returns (uint256);

    /// @notice Worker, status, attempt, sequence and units.
    function stateOf(RequestId request) external view returns (RequestState memory);

    /// @notice Times and sums that are written only where needed.
    function ledgerOf(RequestId request) external view returns (RequestLedger memory);

    /// @notice Head of the chain of commitments, zero before the first.
    function headOf(RequestId request) external view returns (bytes32);

    /// @notice Records of an input that were paid.
    function recordsPaidOf(RequestId request, uint32 input) external view returns (uint32);

    /// @notice How many versions a model has.
    function versionCountOf(ModelId model) external view returns (uint32);

    /// @notice hashStruct of the settlement of a version, from 1; zero where there is none.
    function versionDigestOf(ModelId model, uint32 version) external view returns (bytes32);
}
