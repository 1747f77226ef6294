// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessPolicy} from "offsetdata/interfaces/IAccessPolicy.sol";
import {Offer, Right} from "offsetdata/types/Access.sol";
import {CollectionTerms} from "offsetdata/types/Collection.sol";
import {BaseId, CollectionId, MethodId, ModelId, ProjectId, RequestId} from "offsetdata/types/Ids.sol";
import {MethodTerms, Visibility} from "offsetdata/types/Model.sol";
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
    RequestStatus,
    SelectionKind,
    Settlement
} from "offsetdata/types/Training.sol";

import {Base} from "../../Base.t.sol";
import {TrainingMessages} from "../../mocks/TrainingMessages.sol";

/// @notice A collection for sale, a base with a method, a model, and the messages of scheduler and worker.
abstract contract TrainingBase is Base, TrainingMessages {
    uint32 internal constant RECORDS = 1000;
    uint128 internal constant RECORD_PRICE = 100;
    uint128 internal constant UNIT_PRICE = 50;
    uint64 internal constant MAX_RATE = 1000;
    uint16 internal constant HOLDBACK = 2000;
    uint48 internal constant UNIT_LIMIT = 100_000;
    uint128 internal constant RELAY_FEE = 7000;
    uint32 internal constant RELAY_CAP = 5;
    bytes32 internal constant TRAINER = keccak256("trainer");

    CollectionId internal collection;
    BaseId internal base;
    MethodId internal method;
    ModelId internal model;

    function setUp() public virtual override {
        super.setUp();
        collection = registerCollection("digits", RECORDS);
        vm.startPrank(developer.addr);
        base = models.publishBase(keccak256("base"), "ipfs://base", 0);
        method = models.offerMethod(base, "classify", methodTerms());
        vm.startPrank(user.addr);
        ProjectId project = models.createProject(keccak256("project"), "", 0);
        model = models.requestModel(project, base, Visibility.RESTRICTED, new address[](0), 0, "", 0);
        token.approve(address(coordinator), type(uint256).max);
        vm.stopPrank();
    }

    // ---------------------------------------------------------------- terms

    function registerCollection(string memory name, uint32 records) internal returns (CollectionId id) {
        vm.startPrank(publisher.addr);
        id = collections.register(
            CollectionTerms(keccak256(bytes(name)), records, keccak256("manifest"), CollectionId.wrap(0), 0, 0, 0)
        );
        access.setOffer(
            id, Right.TRAIN, Offer(0, RECORD_PRICE, publisher.addr, 0, 0, false, true, IAccessPolicy(address(0)))
        );
        vm.stopPrank();
    }

    function methodTerms() internal view returns (MethodTerms memory) {
        return MethodTerms({
            unitPrice: UNIT_PRICE,
            maxUnitsPerSecond: MAX_RATE,
            holdbackBps: HOLDBACK,
            intake: 3,
            scheduler: scheduler.addr,
            trainerDigest: TRAINER,
            schemaDigest: keccak256("schema")
        });
    }

    function escrowTerms() internal view returns (EscrowTerms memory) {
        uint40 time = uint40(block.timestamp);
        return EscrowTerms({
            user: user.addr,
            developer: developer.addr,
            scheduler: scheduler.addr,
            unitPrice: UNIT_PRICE,
            holdbackBps: HOLDBACK,
            dataEscrow: RECORD_PRICE * RECORDS,
            receiptWindow: 2 hours,
            landing: LandingTerms({
                unitLimit: UNIT_LIMIT,
                maxUnitsPerSecond: MAX_RATE,
                relayFee: RELAY_FEE,
                relayFeeCap: RELAY_CAP,
                openedAt: time,
                startDeadline: time + 1 hours,
                deadline: time + 1 days,
                gracePeriod: 10 minutes
            })
        });
    }

    function wholeCollection() internal view returns (DataInput memory) {
        return DataInput(collection, SelectionKind.ALL, 0, 0, RECORDS, RECORDS, RECORD_PRICE, publisher.addr);
    }

    function oneInput() internal view returns (DataInput[] memory list) {
        list = new DataInput[](1);
        list[0] = wholeCollection();
    }

    function detailsOf(DataInput[] memory inputs) internal view returns (RequestDetails memory) {
        return RequestDetails({
            model: model,
            method: method,
            inputsHash: keccak256(abi.encode(inputs)),
            hyperparametersDigest: keccak256("hyperparameters"),
            trainerDigest: TRAINER,
            seed: keccak256("seed"),
            splitSeed: keccak256("split"),
            validationBps: 1000,
            testBps: 1000,
            parent: RequestId.wrap(0),
            salt: 0
        });
    }

    /// @dev The default request, sent by the user.
    function open() internal returns (EscrowTerms memory escrow, RequestDetails memory details, RequestId id) {
        escrow = escrowTerms();
        DataInput[] memory inputs = oneInput();
        details = detailsOf(inputs);
        id = openWith(escrow, details, inputs);
    }

    function openWith(EscrowTerms memory escrow, RequestDetails memory details, DataInput[] memory inputs)
        internal
        returns (RequestId)
    {
        vm.prank(user.addr);
        return coordinator.request(escrow, details, inputs);
    }

    function hashOf(RequestDetails memory details) internal pure returns (bytes32) {
        return keccak256(abi.encode(details));
    }

    function idOf(EscrowTerms memory escrow, RequestDetails memory details) internal view returns (RequestId) {
        return idOfLanding(escrow.landing, termsHashOf(escrow, details));
    }

    function idOfLanding(LandingTerms memory landing, bytes32 termsHash) internal view returns (RequestId) {
        bytes32 typehash = keccak256(
            "TrainingRequest(uint256 chainId,address coordinator,uint48 unitLimit,uint64 maxUnitsPerSecond,uint128 relayFee,uint32 relayFeeCap,uint40 openedAt,uint40 startDeadline,uint40 deadline,uint32 gracePeriod,bytes32 termsHash)"
        );
        return RequestId.wrap(keccak256(abi.encode(typehash, block.chainid, address(coordinator), landing, termsHash)));
    }

    function termsHashOf(EscrowTerms memory e, RequestDetails memory details) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                e.user,
                e.developer,
                e.scheduler,
                e.unitPrice,
                e.holdbackBps,
                e.dataEscrow,
                e.receiptWindow,
                hashOf(details)
            )
        );
    }

    function assignmentOf(uint8 attempt) internal view returns (Assignment memory) {
        return Assignment(attempt, worker.addr, 0, uint40(block.timestamp + 30 minutes));
    }

    function commitmentOf(uint8 attempt, uint32 sequence, uint48 units) internal pure returns (Commitment memory) {
        return Commitment(
            attempt, sequence, sequence * 10, units, keccak256(abi.encode("points", sequence)), bytes32(uint256(1e6))
        );
    }

    function settlementOf(uint8 attempt, uint32 sequence, uint48 units) internal pure returns (Settlement memory) {
        return Settlement({
            attempt: attempt,
            sequence: sequence,
            pointCount: sequence * 10,
            units: units,
            artifactDigest: keccak256("artifact"),
            artifactCid: keccak256("cid"),
            seriesRoot: keccak256("series"),
            inputsRoot: keccak256("inputs"),
            resultValues: bytes32(uint256(970_000))
        });
    }

    function signAssignment(RequestId id, Assignment memory m) internal view returns (bytes memory) {
        return sign(scheduler, address(coordinator), hashAssignment(id, m));
    }

    /// @dev Over the head that stands now.
    function signCommitment(RequestId id, Commitment memory m) internal view returns (bytes memory) {
        return sign(worker, address(coordinator), hashCommitment(id, coordinator.headOf(id), m));
    }

    function signReceipt(RequestId id, CollectionId from, DataReceipt memory m) internal view returns (bytes memory) {
        return sign(worker, address(coordinator), hashReceipt(id, from, m));
    }

    function signSettlement(RequestId id, Settlement memory m) internal view returns (bytes memory) {
        return sign(worker, address(coordinator), hashSettlement(id, coordinator.headOf(id), m));
    }

    function signClosure(RequestId id, Closure memory m) internal view returns (bytes memory) {
        return sign(scheduler, address(coordinator), hashClosure(id, m));
    }

    // ---------------------------------------------------------------- steps, signed rightly and landed by the relayer

    function landFirst(EscrowTerms memory escrow, RequestDetails memory details, uint8 attempt, uint48 units)
        internal
        returns (Commitment memory m)
    {
        RequestId id = idOf(escrow, details);
        Assignment memory a = assignmentOf(attempt);
        m = commitmentOf(attempt, coordinator.stateOf(id).sequence + 1, units);
        bytes memory assignmentSignature = signAssignment(id, a);
        bytes memory signature = signCommitment(id, m);
        vm.prank(relayer.addr);
        coordinator.commitAssigned(escrow, hashOf(details), a, assignmentSignature, m, signature);
    }

    function landNext(EscrowTerms memory escrow, RequestDetails memory details, uint48 units)
        internal
        returns (Commitment memory m)
    {
        RequestId id = idOf(escrow, details);
        m = commitmentOf(coordinator.stateOf(id).attempt, coordinator.stateOf(id).sequence + 1, units);
        bytes memory signature = signCommitment(id, m);
        vm.prank(relayer.addr);
        coordinator.commit(escrow.landing, termsHashOf(escrow, details), m, signature);
    }

    function landSettlement(EscrowTerms memory escrow, RequestDetails memory details, uint48 units)
        internal
        returns (Settlement memory m)
    {
        RequestId id = idOf(escrow, details);
        m = settlementOf(coordinator.stateOf(id).attempt, coordinator.stateOf(id).sequence, units);
        bytes memory signature = signSettlement(id, m);
        vm.prank(relayer.addr);
        coordinator.settle(escrow, details, m, signature);
    }

    function landReceipt(EscrowTerms memory escrow, RequestDetails memory details, uint32 records) internal {
        RequestId id = idOf(escrow, details);
        DataReceipt memory m = DataReceipt(1, 0, records, keccak256("records"));
        Assignment memory a = assignmentOf(1);
        bytes memory assignmentSignature = signAssignment(id, a);
        bytes memory signature = signReceipt(id, collection, m);
        vm.prank(relayer.addr);
        coordinator.claimData(escrow, details, oneInput(), a, assignmentSignature, m, signature);
    }

    function landClosure(EscrowTerms memory escrow, RequestDetails memory details) internal {
        RequestId id = idOf(escrow, details);
        Closure memory m = Closure(coordinator.stateOf(id).sequence, keccak256("reason"));
        bytes memory signature = signClosure(id, m);
        vm.prank(relayer.addr);
        coordinator.close(escrow, hashOf(details), m, signature);
    }

    function cancel(EscrowTerms memory escrow, RequestDetails memory details) internal {
        vm.prank(user.addr);
        coordinator.requestCancel(escrow, hashOf(details));
    }

    // ---------------------------------------------------------------- assertions

    function assertStatus(RequestId id, RequestStatus expected) internal view {
        assertEq(uint8(coordinator.stateOf(id).status), uint8(expected), "status");
    }

    function assertCredit(Account memory account, uint256 expected) internal view {
        assertEq(coordinator.creditOf(account.addr), expected, "credit");
    }
}
