// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessToken} from "../interfaces/IAccessToken.sol";
import {ICollectionRegistry} from "../interfaces/ICollectionRegistry.sol";
import {ITrainingCoordinator} from "../interfaces/ITrainingCoordinator.sol";
import {CollectionState} from "../types/Collection.sol";
import {INTAKE_COLLECTION, INTAKE_DIRECT, TrainingQuote} from "../types/Model.sol";
import {DataInput, EscrowTerms, RequestDetails, SelectionKind} from "../types/Training.sol";
import {TrainingHashes} from "./TrainingHashes.sol";

/// @title TrainingTerms
/// @notice Checks the terms of a new request: times and limits, what the model's base quotes, and the inputs with what
/// their publishers ask. It writes nothing.
library TrainingTerms {
    uint256 internal constant MAX_INPUTS = 16;
    uint256 internal constant MAX_DIRECT_RECORDS = 1_000_000;
    uint256 internal constant OPENING_WINDOW = 1 hours;
    uint256 internal constant MAX_DURATION = 365 days;
    uint256 internal constant MIN_GRACE = 60 seconds;
    uint256 internal constant MAX_GRACE = 1 days;
    uint256 internal constant MIN_RECEIPT_WINDOW = 1 hours;
    uint256 internal constant MAX_RECEIPT_WINDOW = 30 days;
    uint256 private constant FULL_BPS = 10_000;

    // ---------------------------------------------------------------- times and limits

    /// @dev Times, limits and the split make sense on their own.
    function requireSane(EscrowTerms calldata escrow, RequestDetails calldata details) internal view {
        uint256 opened = escrow.landing.openedAt;
        uint256 start = escrow.landing.startDeadline;
        uint256 deadline = escrow.landing.deadline;
        uint256 grace = escrow.landing.gracePeriod;
        uint256 window = escrow.receiptWindow;
        _sane(opened <= block.timestamp && block.timestamp - opened <= OPENING_WINDOW, "openedAt");
        _sane(opened < deadline && deadline <= opened + MAX_DURATION, "deadline");
        _sane(start >= block.timestamp && start <= deadline, "startDeadline");
        _sane(grace >= MIN_GRACE && grace <= MAX_GRACE, "gracePeriod");
        _sane(escrow.dataEscrow == 0 || (window >= MIN_RECEIPT_WINDOW && window <= MAX_RECEIPT_WINDOW), "receiptWindow");
        _sane(escrow.landing.unitLimit != 0, "unitLimit");
        _sane(uint256(details.validationBps) + details.testBps < FULL_BPS, "testBps");
    }

    function _sane(bool condition, bytes32 field) private pure {
        require(condition, ITrainingCoordinator.TrainingCoordinator_InvalidTerms(field));
    }

    // ---------------------------------------------------------------- the base's quote

    /// @dev The terms are what the registry quotes at this moment, to the wei.
    function requireQuoted(EscrowTerms calldata escrow, RequestDetails calldata details, TrainingQuote memory quote)
        internal
        pure
    {
        _quoted(escrow.developer == quote.developer, "developer");
        _quoted(escrow.scheduler == quote.scheduler, "scheduler");
        _quoted(escrow.unitPrice == quote.unitPrice, "unitPrice");
        _quoted(escrow.landing.maxUnitsPerSecond == quote.maxUnitsPerSecond, "maxUnitsPerSecond");
        _quoted(escrow.holdbackBps == quote.holdbackBps, "holdbackBps");
        _quoted(details.trainerDigest == quote.trainerDigest, "trainerDigest");
    }

    function _quoted(bool condition, bytes32 field) private pure {
        require(condition, ITrainingCoordinator.TrainingCoordinator_TermsNotQuoted(field));
    }

    // ---------------------------------------------------------------- inputs

    /// @dev The inputs are those of the details.
    function requireInputsHash(RequestDetails calldata details, DataInput[] calldata inputs) internal pure {
        bytes32 actual = TrainingHashes.inputsHash(inputs);
        require(
            actual == details.inputsHash,
            ITrainingCoordinator.TrainingCoordinator_InputsMismatch(details.inputsHash, actual)
        );
    }

    /// @dev Every input is open, selected within its collection and paid as its publisher asks; together they cost
    /// `dataEscrow`.
    function requireInputs(
        ICollectionRegistry registry,
        IAccessToken accessToken,
        EscrowTerms calldata escrow,
        DataInput[] calldata inputs,
        uint8 intake
    ) internal view {
        require(
            inputs.length != 0 && inputs.length <= MAX_INPUTS,
            ITrainingCoordinator.TrainingCoordinator_InputCountOutOfRange(inputs.length, MAX_INPUTS)
        );
        uint256 total = 0;
        for (uint256 i = 0; i < inputs.length; ++i) {
            DataInput calldata input = inputs[i];
            bool direct = input.selection == SelectionKind.DIRECT;
            require(
                intake & (direct ? INTAKE_DIRECT : INTAKE_COLLECTION) != 0,
                ITrainingCoordinator.TrainingCoordinator_IntakeNotOffered(i)
            );
            if (direct) _requireDirect(input, i);
            else _requireCollection(registry, accessToken, escrow.user, input, i);
            total += uint256(input.pricePerRecord) * input.recordCap;
        }
        require(
            total == escrow.dataEscrow,
            ITrainingCoordinator.TrainingCoordinator_DataEscrowMismatch(total, escrow.dataEscrow)
        );
    }

    /// @dev Data that the user brings: a content root and a count, and nobody to pay.
    function _requireDirect(DataInput calldata input, uint256 i) private pure {
        require(
            input.collection.isZero() && input.selectionRoot != 0 && input.first == 0 && input.count != 0
                && input.count <= MAX_DIRECT_RECORDS && input.recordCap <= input.count,
            ITrainingCoordinator.TrainingCoordinator_InvalidSelection(i)
        );
        require(
            input.pricePerRecord == 0 && input.payee == address(0),
            ITrainingCoordinator.TrainingCoordinator_DataTermsNotQuoted(i, 0, address(0))
        );
    }

    function _requireCollection(
        ICollectionRegistry registry,
        IAccessToken accessToken,
        address user,
        DataInput calldata input,
        uint256 i
    ) private view {
        CollectionState memory state = registry.collectionOf(input.collection);
        require(state.recordCount != 0 && !state.retired, ITrainingCoordinator.TrainingCoordinator_CollectionNotOpen(i));
        require(_isWithin(input, state.recordCount), ITrainingCoordinator.TrainingCoordinator_InvalidSelection(i));
        (uint128 price, address payee) = accessToken.trainingTerms(input.collection, user);
        require(
            input.pricePerRecord >= price && input.payee == payee,
            ITrainingCoordinator.TrainingCoordinator_DataTermsNotQuoted(i, price, payee)
        );
    }

    /// @dev Whether a selection is not empty, stays within its collection and is written in its one form.
    function _isWithin(DataInput calldata input, uint256 recordCount) private pure returns (bool) {
        SelectionKind kind = input.selection;
        uint256 first = input.first;
        uint256 count = input.count;
        if (count == 0 || first + count > recordCount || input.recordCap > count) return false;
        if (kind == SelectionKind.ALL) return count == recordCount && input.selectionRoot == 0;
        if (kind == SelectionKind.RANGE) return input.selectionRoot == 0;
        return first == 0 && input.selectionRoot != 0;
    }
}
