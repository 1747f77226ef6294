// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CollectionId, RequestId} from "../types/Ids.sol";
import {
    Assignment,
    Closure,
    Commitment,
    DataInput,
    DataReceipt,
    EscrowTerms,
    LandingTerms,
    RequestDetails,
    Settlement
} from "../types/Training.sol";

/// @title TrainingHashes
/// @notice The id of a request and the EIP-712 struct hashes of what schedulers and workers sign. It checks nothing.
/// @dev Terms are hashed as they lie in calldata. Whoever reads a field reverts on one that is not cleanly encoded, and
/// `request` reads them all: so an id stands for one encoding only, the clean one.
library TrainingHashes {
    bytes32 internal constant REQUEST_TYPEHASH = keccak256(
        "TrainingRequest(uint256 chainId,address coordinator,uint48 unitLimit,uint64 maxUnitsPerSecond,uint128 relayFee,uint32 relayFeeCap,uint40 openedAt,uint40 startDeadline,uint40 deadline,uint32 gracePeriod,bytes32 termsHash)"
    );
    bytes32 internal constant ASSIGNMENT_TYPEHASH =
        keccak256("Assignment(bytes32 request,uint8 attempt,address worker,uint32 resumePoint,uint40 validUntil)");
    bytes32 internal constant COMMITMENT_TYPEHASH = keccak256(
        "Commitment(bytes32 request,uint8 attempt,uint32 sequence,bytes32 previousHead,bytes32 pointsDigest,uint32 pointCount,uint48 units,bytes32 lastValues)"
    );
    bytes32 internal constant RECEIPT_TYPEHASH = keccak256(
        "DataReceipt(bytes32 request,uint8 attempt,uint32 input,bytes32 collection,uint32 records,bytes32 recordsRoot)"
    );
    bytes32 internal constant SETTLEMENT_TYPEHASH = keccak256(
        "Settlement(bytes32 request,uint8 attempt,uint32 sequence,bytes32 head,uint32 pointCount,uint48 units,bytes32 artifactDigest,bytes32 artifactCid,bytes32 seriesRoot,bytes32 inputsRoot,bytes32 resultValues)"
    );
    bytes32 internal constant CLOSURE_TYPEHASH =
        keccak256("Closure(bytes32 request,uint32 sequence,bytes32 reasonDigest)");

    // ---------------------------------------------------------------- terms

    /// @dev keccak256(abi.encode(TYPEHASH, chain id, this, the eight of landing, termsHash)): twelve words. Every landing computes it,
    /// so memory is not kept.
    function requestId(LandingTerms calldata landing, bytes32 termsHash_) internal view returns (RequestId id) {
        bytes32 typehash = REQUEST_TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typehash)
            mstore(add(free, 0x20), chainid())
            mstore(add(free, 0x40), address())
            calldatacopy(add(free, 0x60), landing, 0x100)
            mstore(add(free, 0x160), termsHash_)
            id := keccak256(free, 0x180)
        }
    }

    /// @dev The same of all terms.
    function requestId(EscrowTerms calldata escrow, bytes32 detailsHash_) internal view returns (RequestId) {
        return requestId(escrow.landing, termsHash(escrow, detailsHash_));
    }

    /// @dev keccak256(abi.encode(user, developer, scheduler, unitPrice, holdbackBps, dataEscrow, receiptWindow,
    /// detailsHash)): what landings don't look at. The seven words lie in front of `landing`.
    function termsHash(EscrowTerms calldata escrow, bytes32 detailsHash_) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, escrow, 0xe0)
            mstore(add(free, 0xe0), detailsHash_)
            hash := keccak256(free, 0x100)
        }
    }

    /// @dev keccak256(abi.encode(details)): eleven words.
    function detailsHash(RequestDetails calldata details) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, details, 0x160)
            hash := keccak256(free, 0x160)
        }
    }

    /// @dev keccak256(abi.encode(inputs)): offset, length, eight words each.
    function inputsHash(DataInput[] calldata inputs) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            let size := shl(8, inputs.length)
            mstore(free, 0x20)
            mstore(add(free, 0x20), inputs.length)
            calldatacopy(add(free, 0x40), inputs.offset, size)
            hash := keccak256(free, add(size, 0x40))
        }
    }

    // ---------------------------------------------------------------- messages

    function assignment(RequestId request, Assignment calldata message) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                ASSIGNMENT_TYPEHASH, request, message.attempt, message.worker, message.resumePoint, message.validUntil
            )
        );
    }

    /// @dev This is also the head of the chain of commitments after it. Hashed as it lies in calldata, where attempt and
    /// sequence stand first, then point count and units, then digest and last values.
    function commitment(RequestId request, bytes32 previousHead, Commitment calldata message)
        internal
        pure
        returns (bytes32 hash)
    {
        bytes32 typehash = COMMITMENT_TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typehash)
            mstore(add(free, 0x20), request)
            calldatacopy(add(free, 0x40), message, 0x40)
            mstore(add(free, 0x80), previousHead)
            mstore(add(free, 0xa0), calldataload(add(message, 0x80)))
            calldatacopy(add(free, 0xc0), add(message, 0x40), 0x40)
            mstore(add(free, 0x100), calldataload(add(message, 0xa0)))
            hash := keccak256(free, 0x120)
        }
    }

    function receipt(RequestId request, CollectionId collection, DataReceipt calldata message)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                RECEIPT_TYPEHASH,
                request,
                message.attempt,
                message.input,
                collection,
                message.records,
                message.recordsRoot
            )
        );
    }

    function settlement(RequestId request, bytes32 head, Settlement calldata message) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                SETTLEMENT_TYPEHASH,
                request,
                message.attempt,
                message.sequence,
                head,
                message.pointCount,
                message.units,
                message.artifactDigest,
                message.artifactCid,
                message.seriesRoot,
                message.inputsRoot,
                message.resultValues
            )
        );
    }

    function closure(RequestId request, Closure calldata message) internal pure returns (bytes32) {
        return keccak256(abi.encode(CLOSURE_TYPEHASH, request, message.sequence, message.reasonDigest));
    }
}
