// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITrainingCoordinator} from "../interfaces/ITrainingCoordinator.sol";
import {RequestId} from "../types/Ids.sol";
import {LandingTerms, RequestStatus} from "../types/Training.sol";
import {CalldataWords} from "./CalldataWords.sol";
import {PackedState} from "./PackedStates.sol";
import {Signatures} from "./Signatures.sol";

/// @title TrainingLanding
/// @notice Whether signed work can land: status, attempt, sequence, time and units. It writes nothing.
/// @dev A refusal is the error's bytes, so that one check serves those who revert with it and the batch that skips.
/// Where nothing is refused no memory is touched.
library TrainingLanding {
    /// @dev Why this step can't land now, empty where it can. The signature is not looked at.
    /// @param state As stored, with the attempt of a new assignment.
    /// @param cancelledAt Read only while CANCELLING.
    /// @param expected The sequence that the step must have.
    function refusal(
        LandingTerms calldata landing,
        RequestId id,
        PackedState state,
        uint256 cancelledAt,
        uint256 attempt,
        uint256 sequence,
        uint256 expected,
        uint256 units
    ) internal view returns (bytes memory reason) {
        if (!state.isRunning()) return _statusRefusal(id, state.status());
        if (attempt != state.attempt()) return _attemptRefusal(attempt, state.attempt());
        if (sequence != expected) {
            return
                abi.encodeWithSelector(
                    ITrainingCoordinator.TrainingCoordinator_WrongSequence.selector, sequence, expected
                );
        }
        uint256 bound = lastMoment(landing, state, cancelledAt);
        if (block.timestamp > bound) {
            return abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_TooLate.selector, bound);
        }
        bound = CalldataWords.unitLimit(landing);
        if (units > bound) {
            return
                abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_UnitsOverLimit.selector, units, bound);
        }
        unchecked {
            // No overflow: the request was opened by now, 40 + 64 bits.
            bound = (block.timestamp - CalldataWords.openedAt(landing)) * CalldataWords.maxUnitsPerSecond(landing);
        }
        if (units > bound) {
            return abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_UnitsTooFast.selector, units, bound);
        }
    }

    /// @dev Why `signature` is not the worker's, empty where it is.
    function signatureRefusal(address worker, bytes32 digest, bytes calldata signature)
        internal
        view
        returns (bytes memory reason)
    {
        (Signatures.Verdict verdict, bytes32 s) = Signatures.check(worker, digest, signature);
        if (verdict == Signatures.Verdict.MALLEABLE) {
            return abi.encodeWithSelector(Signatures.Signatures_MalleableSignature.selector, s);
        }
        if (verdict == Signatures.Verdict.INVALID) {
            return abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, worker);
        }
    }

    /// @dev Reverts with a refusal that is not empty.
    function requireNone(bytes memory reason) internal pure {
        if (reason.length == 0) return;
        assembly ("memory-safe") {
            revert(add(reason, 0x20), mload(reason))
        }
    }

    /// @dev The last second in which signed work lands: the end of work and the grace; before the first landing not
    /// after `startDeadline`.
    /// @param cancelledAt Read only while CANCELLING.
    function lastMoment(LandingTerms calldata landing, PackedState state, uint256 cancelledAt)
        internal
        pure
        returns (uint256 last)
    {
        last = CalldataWords.deadline(landing);
        if (state.isCancelling() && cancelledAt < last) last = cancelledAt;
        unchecked {
            // No overflow: 40 + 32 bits.
            last += CalldataWords.gracePeriod(landing);
        }
        if (state.sequence() == 0) {
            uint256 start = CalldataWords.startDeadline(landing);
            if (start < last) last = start;
        }
    }

    function _statusRefusal(RequestId id, RequestStatus status) private pure returns (bytes memory) {
        if (status == RequestStatus.NONE) {
            return abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_UnknownRequest.selector, id);
        }
        return abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_WrongStatus.selector, id, status);
    }

    function _attemptRefusal(uint256 actual, uint256 current) private pure returns (bytes memory) {
        bytes4 selector = actual < current
            ? ITrainingCoordinator.TrainingCoordinator_StaleAttempt.selector
            : ITrainingCoordinator.TrainingCoordinator_AttemptNotAssigned.selector;
        return abi.encodeWithSelector(selector, actual, current);
    }
}
