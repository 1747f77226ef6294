// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITrainingCoordinator} from "../interfaces/ITrainingCoordinator.sol";
import {RequestId} from "../types/Ids.sol";
import {EscrowTerms, RequestState, RequestStatus} from "../types/Training.sol";
import {Signatures} from "./Signatures.sol";

/// @title TrainingLanding
/// @notice Whether signed work can land: status, attempt, sequence, time and units. It writes nothing.
/// @dev A refusal is the error's bytes, so that one check serves those who revert with it and the batch that skips.
library TrainingLanding {
    /// @dev What a commitment or a settlement says of the request's progress.
    struct Step {
        uint8 attempt;
        uint32 sequence;
        uint48 units;
        // A settlement follows the landed sequence, a commitment is the next.
        bool settles;
    }

    /// @dev Why this step can't land now, empty where it can. The signature is not looked at.
    function refusal(
        EscrowTerms calldata escrow,
        RequestId id,
        RequestState memory state,
        uint40 cancelledAt,
        Step memory step
    ) internal view returns (bytes memory) {
        if (!isRunning(state.status)) return _statusRefusal(id, state.status);
        if (step.attempt != state.attempt) return _attemptRefusal(step.attempt, state.attempt);
        uint256 expected = step.settles ? state.sequence : uint256(state.sequence) + 1;
        if (step.sequence != expected || expected == 0) {
            return abi.encodeWithSelector(
                ITrainingCoordinator.TrainingCoordinator_WrongSequence.selector,
                step.sequence,
                expected == 0 ? 1 : expected
            );
        }
        uint256 last = lastMoment(escrow, state, cancelledAt);
        if (block.timestamp > last) {
            return abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_TooLate.selector, last);
        }
        if (step.units > escrow.unitLimit) {
            return abi.encodeWithSelector(
                ITrainingCoordinator.TrainingCoordinator_UnitsOverLimit.selector, step.units, escrow.unitLimit
            );
        }
        uint256 maximum = (block.timestamp - escrow.openedAt) * escrow.maxUnitsPerSecond;
        if (step.units > maximum) {
            return
                abi.encodeWithSelector(
                    ITrainingCoordinator.TrainingCoordinator_UnitsTooFast.selector, step.units, maximum
                );
        }
        return "";
    }

    /// @dev Why `signature` is not the worker's, empty where it is.
    function signatureRefusal(address worker, bytes32 digest, bytes calldata signature)
        internal
        view
        returns (bytes memory)
    {
        (Signatures.Verdict verdict, bytes32 s) = Signatures.check(worker, digest, signature);
        if (verdict == Signatures.Verdict.VALID) return "";
        if (verdict == Signatures.Verdict.MALLEABLE) {
            return abi.encodeWithSelector(Signatures.Signatures_MalleableSignature.selector, s);
        }
        return abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, worker);
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
    function lastMoment(EscrowTerms calldata escrow, RequestState memory state, uint40 cancelledAt)
        internal
        pure
        returns (uint256 last)
    {
        last = escrow.deadline;
        if (state.status == RequestStatus.CANCELLING && cancelledAt < last) last = cancelledAt;
        last += escrow.gracePeriod;
        if (state.sequence == 0 && escrow.startDeadline < last) last = escrow.startDeadline;
    }

    /// @dev Whether the request is neither unknown nor at its end.
    function isRunning(RequestStatus status) internal pure returns (bool) {
        return status == RequestStatus.OPEN || status == RequestStatus.CANCELLING;
    }

    function _statusRefusal(RequestId id, RequestStatus status) private pure returns (bytes memory) {
        if (status == RequestStatus.NONE) {
            return abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_UnknownRequest.selector, id);
        }
        return abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_WrongStatus.selector, id, status);
    }

    function _attemptRefusal(uint8 actual, uint8 current) private pure returns (bytes memory) {
        bytes4 selector = actual < current
            ? ITrainingCoordinator.TrainingCoordinator_StaleAttempt.selector
            : ITrainingCoordinator.TrainingCoordinator_AttemptNotAssigned.selector;
        return abi.encodeWithSelector(selector, actual, current);
    }
}
