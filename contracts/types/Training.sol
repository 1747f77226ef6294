// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CollectionId, MethodId, ModelId, RequestId} from "./Ids.sol";

/// @notice Which records of an input a request takes.
enum SelectionKind {
    /// Every record of the collection.
    ALL,
    /// `count` records from `first`.
    RANGE,
    /// The records whose bits are set in the bitmap with this root; `count` of them.
    BITMAP,
    /// Data that the user brings: `selectionRoot` is its content root, `count` its records; no collection.
    DIRECT
}

/// @notice Where a request stands. NONE → OPEN → SETTLED | FAILED | EXPIRED | CANCELLING → SETTLED | CANCELLED.
enum RequestStatus {
    /// Never requested.
    NONE,
    /// Escrowed; commitments land.
    OPEN,
    /// The user asked to stop; signed work lands until the grace ends.
    CANCELLING,
    /// Final: a version was appended.
    SETTLED,
    /// Final: stopped by the user.
    CANCELLED,
    /// Final: the scheduler signed that the job cannot succeed.
    FAILED,
    /// Final: the deadline and the grace have passed.
    EXPIRED
}

/// @notice What every landing checks: limits, times and its fee. The part of the terms that `commit` brings along.
struct LandingTerms {
    /// No more units than this are paid.
    uint48 unitLimit;
    /// No more units a second than this are paid, counted from `openedAt`.
    uint64 maxUnitsPerSecond;
    /// Paid to whoever lands a commitment or the settlement.
    uint128 relayFee;
    /// For at most so many landings.
    uint32 relayFeeCap;
    /// Unix seconds, at most OPENING_WINDOW before the request's block and not after it.
    uint40 openedAt;
    /// The first commitment lands by this time, or anyone may expire the request.
    uint40 startDeadline;
    /// Work ends by this time.
    uint40 deadline;
    /// Seconds after the deadline or a cancellation in which signed work still lands.
    uint32 gracePeriod;
}

/// @notice Money and time of a request.
struct EscrowTerms {
    /// Who pays and gets the rest back.
    address user;
    /// Who is paid for units: the developer of the model's base.
    address developer;
    /// The key that signs assignments and closures, as the method named it at the time of the request.
    address scheduler;
    /// Price of one unit in the token's smallest unit.
    uint128 unitPrice;
    /// Part of the unit pay held back until settlement, in basis points.
    uint16 holdbackBps;
    /// The sum of price times record cap over all inputs.
    uint128 dataEscrow;
    /// Seconds after the end in which data receipts are still claimed.
    uint32 receiptWindow;
    /// Limits, times and fee of each landing.
    LandingTerms landing;
}

/// @notice What is trained and how. Landings carry only its hash.
struct RequestDetails {
    ModelId model;
    MethodId method;
    /// keccak256(abi.encode(inputs)).
    bytes32 inputsHash;
    /// SHA-256 digest of the hyperparameters (canonical JSON, RFC 8785).
    bytes32 hyperparametersDigest;
    /// SHA-256 digest of the trainer, as the method named it.
    bytes32 trainerDigest;
    /// All randomness of the training comes from this.
    bytes32 seed;
    /// Assigns each selected record to train, validation or test.
    bytes32 splitSeed;
    /// Parts in basis points; the rest to 10,000 is for training.
    uint16 validationBps;
    uint16 testBps;
    /// The request that this one retrains, or zero.
    RequestId parent;
    bytes32 salt;
}

/// @notice One input of a request.
struct DataInput {
    /// Zero for SelectionKind.DIRECT.
    CollectionId collection;
    SelectionKind selection;
    /// Bitmap root, content root of direct data, or zero.
    bytes32 selectionRoot;
    uint32 first;
    uint32 count;
    /// No more records than this are paid.
    uint32 recordCap;
    uint128 pricePerRecord;
    address payee;
}

/// @notice The scheduler's signed word on which worker tries.
/// EIP-712: Assignment(bytes32 request,uint8 attempt,address worker,uint32 resumePoint,uint40 validUntil)
struct Assignment {
    /// From 1, rising.
    uint8 attempt;
    address worker;
    /// Number of metric points that stand before this attempt goes on (0 for a fresh start).
    uint32 resumePoint;
    /// Unix seconds; the attempt's first commitment lands by then.
    uint40 validUntil;
}

/// @notice A worker's signed word on what it did since the commitment before.
/// EIP-712: Commitment(bytes32 request,uint8 attempt,uint32 sequence,bytes32 previousHead,bytes32 pointsDigest,
/// uint32 pointCount,uint48 units,bytes32 lastValues). The head after it is its hashStruct.
struct Commitment {
    uint8 attempt;
    /// One more than the landed one, over all attempts; from 1.
    uint32 sequence;
    /// Number of metric points of the series after this commitment.
    uint32 pointCount;
    /// Units done since the request was opened, over all attempts that count.
    uint48 units;
    /// SHA-256 digest of the block of metric points since the commitment before.
    bytes32 pointsDigest;
    /// Four int64: train loss, train accuracy, validation loss, validation accuracy, each times 1,000,000.
    bytes32 lastValues;
}

/// @notice A worker's signed word on which records it was given; cumulative for its input.
/// EIP-712: DataReceipt(bytes32 request,uint8 attempt,uint32 input,bytes32 collection,uint32 records,bytes32 recordsRoot)
struct DataReceipt {
    uint8 attempt;
    /// Position of the input in the request.
    uint32 input;
    /// Records given so far, at most the input's cap.
    uint32 records;
    /// Root over the indices given so far.
    bytes32 recordsRoot;
}

/// @notice A worker's signed word on the result.
/// EIP-712: Settlement(bytes32 request,uint8 attempt,uint32 sequence,bytes32 head,uint32 pointCount,uint48 units,
/// bytes32 artifactDigest,bytes32 artifactCid,bytes32 seriesRoot,bytes32 inputsRoot,bytes32 resultValues)
struct Settlement {
    uint8 attempt;
    /// The landed sequence that it follows.
    uint32 sequence;
    uint32 pointCount;
    uint48 units;
    /// SHA-256 digest of the artifact in the clear.
    bytes32 artifactDigest;
    /// SHA-256 digest in the CID (CIDv1) of the stored artifact.
    bytes32 artifactCid;
    /// Root over all metric points of the series.
    bytes32 seriesRoot;
    /// Root over all records given to training, with their part of the split.
    bytes32 inputsRoot;
    /// Four int64: test loss, test accuracy, validation loss, validation accuracy, each times 1,000,000.
    bytes32 resultValues;
}

/// @notice The scheduler's signed word that nothing more will land.
/// EIP-712: Closure(bytes32 request,uint32 sequence,bytes32 reasonDigest)
struct Closure {
    /// The landed sequence that it follows.
    uint32 sequence;
    /// SHA-256 digest of the reason's text, or zero.
    bytes32 reasonDigest;
}

/// @notice What the coordinator keeps of a request.
struct RequestState {
    // slot 1
    address worker;
    RequestStatus status;
    uint8 attempt;
    uint32 sequence;
    uint48 units;
}

/// @notice Written only where a request is cancelled, collected from, closed or claimed from.
struct RequestLedger {
    // slot 1
    uint40 cancelledAt;
    // When it ended with data escrow standing; zero again once that is released.
    uint40 closedAt;
    uint48 collectedUnits;
    uint128 dataPaid;
}

/// @notice One item of a batch of commitments.
struct CommitItem {
    LandingTerms landing;
    /// `termsHashOf` the rest of the terms.
    bytes32 termsHash;
    Commitment commitment;
    bytes signature;
}
