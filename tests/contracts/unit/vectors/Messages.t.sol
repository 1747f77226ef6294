// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {Base} from "../../Base.t.sol";
import {AccessToken} from "offsetdata/AccessToken.sol";
import {CollectionRegistry} from "offsetdata/CollectionRegistry.sol";
import {TrainingCoordinator} from "offsetdata/TrainingCoordinator.sol";
import {UsageBilling} from "offsetdata/UsageBilling.sol";
import {TrainingHashes} from "offsetdata/libraries/TrainingHashes.sol";
import {AccessUse} from "offsetdata/types/Access.sol";
import {SpenderAuthorization, UsageVoucher} from "offsetdata/types/Billing.sol";
import {CollectionTerms} from "offsetdata/types/Collection.sol";
import {CollectionId, RequestId} from "offsetdata/types/Ids.sol";
import {
    Assignment,
    Closure,
    Commitment,
    DataInput,
    DataReceipt,
    EscrowTerms,
    RequestDetails,
    Settlement
} from "offsetdata/types/Training.sol";

/// @notice The coordinator's own hashing, as a contract that can be called.
contract Hashes {
    function assignment(RequestId id, Assignment calldata message) external pure returns (bytes32) {
        return TrainingHashes.assignment(id, message);
    }

    function commitment(RequestId id, bytes32 previousHead, Commitment calldata message)
        external
        pure
        returns (bytes32)
    {
        return TrainingHashes.commitment(id, previousHead, message);
    }

    function receipt(RequestId id, CollectionId collection, DataReceipt calldata message)
        external
        pure
        returns (bytes32)
    {
        return TrainingHashes.receipt(id, collection, message);
    }

    function settlement(RequestId id, bytes32 head, Settlement calldata message) external pure returns (bytes32) {
        return TrainingHashes.settlement(id, head, message);
    }

    function closure(RequestId id, Closure calldata message) external pure returns (bytes32) {
        return TrainingHashes.closure(id, message);
    }
}

/// @notice tests/vectors/messages.json, which Rust writes and reads: the contracts get the same ids and digests.
contract MessagesTest is Base {
    /// Every vector's contract stands here, whichever it is.
    address private constant AT = address(0xc0);

    string private _json;
    Hashes private _hashes;

    function setUp() public override {
        super.setUp();
        vm.chainId(31337);
        _json = vm.readFile("tests/vectors/messages.json");
        _hashes = new Hashes();
        assertEq(vm.parseJsonAddress(_json, ".contract"), AT);
    }

    // ---------------------------------------------------------------- ids

    function test_CollectionId() public {
        deployCodeTo("CollectionRegistry.sol:CollectionRegistry", abi.encode(address(forwarder)), AT);
        CollectionTerms memory terms = abi.decode(_bytes(".collection.terms"), (CollectionTerms));
        address registrant = vm.parseJsonAddress(_json, ".collection.registrant");
        bytes32 id = CollectionId.unwrap(CollectionRegistry(AT).collectionIdOf(registrant, terms));
        assertEq(id, _word(".collection.id"));
    }

    function test_RequestId() public {
        TrainingCoordinator at = _coordinator();
        EscrowTerms memory escrow = abi.decode(_bytes(".request.escrow"), (EscrowTerms));
        RequestDetails memory details = abi.decode(_bytes(".request.details"), (RequestDetails));
        DataInput[] memory inputs = abi.decode(_bytes(".request.inputs"), (DataInput[]));
        assertEq(at.inputsHashOf(inputs), _word(".request.inputsHash"));
        assertEq(details.inputsHash, _word(".request.inputsHash"));
        assertEq(at.detailsHashOf(details), _word(".request.detailsHash"));
        assertEq(RequestId.unwrap(at.requestIdOf(escrow, at.detailsHashOf(details))), _word(".request.id"));
    }

    // ---------------------------------------------------------------- messages of the coordinator

    function test_Assignment() public {
        (bytes32 request, uint8 attempt, address who, uint32 point, uint40 until) =
            abi.decode(_encoded(0), (bytes32, uint8, address, uint32, uint40));
        _checkTraining(0, _hashes.assignment(RequestId.wrap(request), Assignment(attempt, who, point, until)));
    }

    function test_Commitments() public {
        bytes32 head = _checkCommitment(1, 0);
        _checkCommitment(2, head);
    }

    function test_DataReceipt() public {
        (bytes32 request, uint8 attempt, uint32 input, bytes32 collection, uint32 records, bytes32 root) =
            abi.decode(_encoded(3), (bytes32, uint8, uint32, bytes32, uint32, bytes32));
        bytes32 hash = _hashes.receipt(
            RequestId.wrap(request), CollectionId.wrap(collection), DataReceipt(attempt, input, records, root)
        );
        _checkTraining(3, hash);
    }

    function test_Settlement() public {
        // As in the message: the request and the head stand among the settlement's own fields.
        bytes32[11] memory words = abi.decode(_encoded(4), (bytes32[11]));
        Settlement memory settlement = Settlement({
            attempt: uint8(uint256(words[1])),
            sequence: uint32(uint256(words[2])),
            pointCount: uint32(uint256(words[4])),
            units: uint48(uint256(words[5])),
            artifactDigest: words[6],
            artifactCid: words[7],
            seriesRoot: words[8],
            inputsRoot: words[9],
            resultValues: words[10]
        });
        assertEq(words[3], _word(".messages[2].hashStruct"), "follows the last head");
        _checkTraining(4, _hashes.settlement(RequestId.wrap(words[0]), words[3], settlement));
    }

    function test_Closure() public {
        (bytes32 request, uint32 sequence, bytes32 reason) = abi.decode(_encoded(5), (bytes32, uint32, bytes32));
        _checkTraining(5, _hashes.closure(RequestId.wrap(request), Closure(sequence, reason)));
    }

    // ---------------------------------------------------------------- messages of the others

    function test_AccessUsed() public {
        bytes memory args = abi.encode(token, collections, address(forwarder));
        deployCodeTo("AccessToken.sol:AccessToken", args, AT);
        AccessUse memory use = abi.decode(_encoded(6), (AccessUse));
        assertEq(AccessToken(AT).accessUseDigest(use), _digest(6));
    }

    function test_UsageVoucher() public {
        UsageVoucher memory voucher = abi.decode(_encoded(7), (UsageVoucher));
        assertEq(_billing().voucherDigest(voucher), _digest(7));
    }

    function test_SpenderAuthorization() public {
        SpenderAuthorization memory authorization = abi.decode(_encoded(8), (SpenderAuthorization));
        assertEq(_billing().spenderAuthorizationDigest(authorization), _digest(8));
    }

    // ---------------------------------------------------------------- internals

    function _checkCommitment(uint256 i, bytes32 expectedPrevious) private returns (bytes32 head) {
        (
            bytes32 request,
            uint8 attempt,
            uint32 sequence,
            bytes32 previous,
            bytes32 points,
            uint32 count,
            uint48 units,
            bytes32 last
        ) = abi.decode(_encoded(i), (bytes32, uint8, uint32, bytes32, bytes32, uint32, uint48, bytes32));
        assertEq(previous, expectedPrevious);
        Commitment memory message = Commitment(attempt, sequence, count, units, points, last);
        head = _hashes.commitment(RequestId.wrap(request), previous, message);
        _checkTraining(i, head);
    }

    /// @dev The struct's hash, and the digest over it in the coordinator's domain.
    function _checkTraining(uint256 i, bytes32 structHash) private {
        assertEq(structHash, _word(string.concat(_message(i), ".hashStruct")), "hashStruct");
        (, string memory name, string memory version, uint256 chainId, address at,,) =
            IERC5267(address(_coordinator())).eip712Domain();
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256(bytes(version)),
                chainId,
                at
            )
        );
        assertEq(MessageHashUtils.toTypedDataHash(domain, structHash), _digest(i), "digest");
    }

    function _coordinator() private returns (TrainingCoordinator) {
        bytes memory args = abi.encode(token, collections, access, models, address(forwarder));
        deployCodeTo("TrainingCoordinator.sol:TrainingCoordinator", args, AT);
        return TrainingCoordinator(AT);
    }

    function _billing() private returns (UsageBilling) {
        deployCodeTo("UsageBilling.sol:UsageBilling", abi.encode(token, collections, address(forwarder)), AT);
        return UsageBilling(AT);
    }

    function _message(uint256 i) private pure returns (string memory) {
        return string.concat(".messages[", vm.toString(i), "]");
    }

    function _encoded(uint256 i) private view returns (bytes memory) {
        return _bytes(string.concat(_message(i), ".encoded"));
    }

    function _digest(uint256 i) private view returns (bytes32) {
        return _word(string.concat(_message(i), ".digest"));
    }

    function _bytes(string memory path) private view returns (bytes memory) {
        return vm.parseJsonBytes(_json, path);
    }

    function _word(string memory path) private view returns (bytes32) {
        return vm.parseJsonBytes32(_json, path);
    }
}
