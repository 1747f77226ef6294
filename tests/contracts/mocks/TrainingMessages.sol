// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CollectionId, RequestId} from "offsetdata/types/Ids.sol";
import {Assignment, Closure, Commitment, DataReceipt, Settlement} from "offsetdata/types/Training.sol";

/// @notice Struct hashes of what schedulers and workers sign. The type strings are written out here once more, so that
/// the contract's own are checked.
abstract contract TrainingMessages {
    function hashAssignment(RequestId id, Assignment memory m) internal pure returns (bytes32) {
        bytes32 typehash =
            keccak256("Assignment(bytes32 request,uint8 attempt,address worker,uint32 resumePoint,uint40 validUntil)");
        return keccak256(abi.encode(typehash, id, m));
    }

    function hashCommitment(RequestId id, bytes32 head, Commitment memory m) internal pure returns (bytes32) {
        bytes32 typehash = keccak256(
            "Commitment(bytes32 request,uint8 attempt,uint32 sequence,bytes32 previousHead,bytes32 pointsDigest,uint32 pointCount,uint48 units,bytes32 lastValues)"
        );
        return keccak256(
            abi.encode(typehash, id, m.attempt, m.sequence, head, m.pointsDigest, m.pointCount, m.units, m.lastValues)
        );
    }

    function hashReceipt(RequestId id, CollectionId from, DataReceipt memory m) internal pure returns (bytes32) {
        bytes32 typehash = keccak256(
            "DataReceipt(bytes32 request,uint8 attempt,uint32 input,bytes32 collection,uint32 records,bytes32 recordsRoot)"
        );
        return keccak256(abi.encode(typehash, id, m.attempt, m.input, from, m.records, m.recordsRoot));
    }

    function hashSettlement(RequestId id, bytes32 head, Settlement memory m) internal pure returns (bytes32) {
        bytes32 typehash = keccak256(
            "Settlement(bytes32 request,uint8 attempt,uint32 sequence,bytes32 head,uint32 pointCount,uint48 units,bytes32 artifactDigest,bytes32 artifactCid,bytes32 seriesRoot,bytes32 inputsRoot,bytes32 resultValues)"
        );
        bytes memory first = abi.encode(typehash, id, m.attempt, m.sequence, head, m.pointCount, m.units);
        return keccak256(
            bytes.concat(first, abi.encode(m.artifactDigest, m.artifactCid, m.seriesRoot, m.inputsRoot, m.resultValues))
        );
    }

    function hashClosure(RequestId id, Closure memory m) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("Closure(bytes32 request,uint32 sequence,bytes32 reasonDigest)"), id, m));
    }
}
