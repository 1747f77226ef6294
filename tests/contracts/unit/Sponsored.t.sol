// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC2771Forwarder} from "@openzeppelin/contracts/metatx/ERC2771Forwarder.sol";
import {Vm} from "forge-std/Vm.sol";

import {IAccessPolicy} from "offsetdata/interfaces/IAccessPolicy.sol";
import {AllowListPolicy} from "offsetdata/policies/AllowListPolicy.sol";
import {AccessUse, BuyLimits, Offer, Right} from "offsetdata/types/Access.sol";
import {ProjectId, RequestId} from "offsetdata/types/Ids.sol";
import {Visibility} from "offsetdata/types/Model.sol";
import {CommitItem, Commitment, EscrowTerms, RequestDetails, Settlement} from "offsetdata/types/Training.sol";

import {TrainingBase} from "./TrainingCoordinator/TrainingBase.t.sol";

/// @notice Every verb that somebody does: carried by the forwarder it does what the signer's own call does, to the last
/// event and credit; and nobody who appends another's address, or signs for another, acts as that other.
contract SponsoredTest is TrainingBase {
    struct Verb {
        string name;
        Account signer;
        address target;
        bytes data;
    }

    Verb[] private verbs;
    AllowListPolicy private list;
    EscrowTerms private escrow;
    RequestDetails private details;
    RequestId private id;
    ProjectId private project;
    BuyLimits private anyTerms = BuyLimits(type(uint128).max, 0, 0);

    function setUp() public override {
        super.setUp();
        list = new AllowListPolicy(collections, address(forwarder));
        project = models.projectIdOf(user.addr, keccak256("project"), 0);
        _prepareBilling();
        _prepareAccess();
        _prepareTraining();
    }

    // ---------------------------------------------------------------- the verbs, room by room

    function test_CollectionRegistry() external {
        address target = address(collections);
        _verb("register", publisher, target, abi.encodeCall(collections.register, (termsOf("sponsored"))));
        _verb("reviseMetadata", publisher, target, abi.encodeCall(collections.reviseMetadata, (collection, 0, "")));
        _verb("sealKey", publisher, target, abi.encodeCall(collections.sealKey, (collection, 0, "")));
        _verb("retire", publisher, target, abi.encodeCall(collections.retire, (collection)));
        _verb("flag", reader, target, abi.encodeCall(collections.flag, (collection, keccak256("flags"), 1, 0)));
        _verb(
            "transferPublisher",
            publisher,
            target,
            abi.encodeCall(collections.transferPublisher, (collection, reader.addr))
        );
        _verb("acceptPublisher", contributor, target, abi.encodeCall(collections.acceptPublisher, (collection)));
        _tryAll();
    }

    function test_AccessTokenOfThePublisher() external {
        address target = address(access);
        Offer memory offer = Offer(1, 0, publisher.addr, 0, 0, true, false, IAccessPolicy(address(0)));
        _verb("setOffer", publisher, target, abi.encodeCall(access.setOffer, (collection, Right.READ, offer)));
        _verb("clearOffer", publisher, target, abi.encodeCall(access.clearOffer, (collection, Right.READ)));
        address[] memory holders = new address[](1);
        holders[0] = developer.addr;
        uint40 expiry = uint40(block.timestamp + 1);
        _verb("grant", publisher, target, abi.encodeCall(access.grant, (collection, Right.READ, holders, expiry)));
        _verb("setDenied", publisher, target, abi.encodeCall(access.setDenied, (collection, holders, true)));
        _verb("setTrainer", publisher, target, abi.encodeCall(access.setTrainer, (collection, worker.addr, 0, true)));
        _verb(
            "setAllowed",
            publisher,
            address(list),
            abi.encodeCall(list.setAllowed, (collection, Right.READ, holders, true))
        );
        holders[0] = reader.addr;
        _verb("revoke", publisher, target, abi.encodeCall(access.revoke, (collection, Right.READ, holders)));
        _verb("withdraw", publisher, target, abi.encodeCall(access.withdraw, (publisher.addr)));
        _tryAll();
    }

    function test_AccessTokenOfTheReader() external {
        address target = address(access);
        _verb("buy", user, target, abi.encodeCall(access.buy, (collection, Right.READ, anyTerms)));
        _verb("refund", reader, target, abi.encodeCall(access.refund, (collection, Right.READ)));
        uint256 deadline = block.timestamp;
        (uint8 v, bytes32 r, bytes32 s) = signPermit(developer, target, 1000, deadline);
        BuyLimits memory limits = BuyLimits(1000, 0, 0);
        _verb(
            "buyWithPermit",
            developer,
            target,
            abi.encodeCall(access.buyWithPermit, (collection, Right.READ, limits, deadline, v, r, s))
        );
        _tryAll();
    }

    function test_UsageBilling() external {
        address target = address(billing);
        _verb("deposit", reader, target, abi.encodeCall(billing.deposit, (publisher.addr, 10)));
        _verb("thaw", reader, target, abi.encodeCall(billing.thaw, (publisher.addr, 10)));
        _verb("withdrawDeposit", reader, target, abi.encodeCall(billing.withdrawDeposit, (publisher.addr)));
        _verb("revokeSpender", reader, target, abi.encodeCall(billing.revokeSpender, (worker.addr)));
        _verb("withdraw", reader, target, abi.encodeCall(billing.withdraw, (reader.addr)));
        uint256 deadline = block.timestamp;
        (uint8 v, bytes32 r, bytes32 s) = signPermit(developer, target, 1000, deadline);
        _verb(
            "depositWithPermit",
            developer,
            target,
            abi.encodeCall(billing.depositWithPermit, (publisher.addr, 1000, deadline, v, r, s))
        );
        _tryAll();
    }

    function test_ModelRegistryOfTheDeveloper() external {
        address target = address(models);
        address[] memory workers = new address[](1);
        workers[0] = worker.addr;
        _verb("publishBase", developer, target, abi.encodeCall(models.publishBase, (0, "", "another")));
        _verb("reviseBase", developer, target, abi.encodeCall(models.reviseBase, (base, 0, "")));
        _verb("retireBase", developer, target, abi.encodeCall(models.retireBase, (base)));
        _verb("offerMethod", developer, target, abi.encodeCall(models.offerMethod, (base, "other", methodTerms())));
        _verb("withdrawMethod", developer, target, abi.encodeCall(models.withdrawMethod, (base, method)));
        _verb("setWorkers", developer, target, abi.encodeCall(models.setWorkers, (base, workers, true)));
        _tryAll();
    }

    function test_ModelRegistryOfTheUser() external {
        address target = address(models);
        address[] memory accounts = new address[](1);
        accounts[0] = reader.addr;
        uint256 tokenId = model.tokenId();
        _verb("createProject", user, target, abi.encodeCall(models.createProject, (0, "", "another")));
        _verb("reviseProject", user, target, abi.encodeCall(models.reviseProject, (project, 0, "")));
        _verb(
            "requestModel",
            user,
            target,
            abi.encodeCall(models.requestModel, (project, base, Visibility.PUBLIC, accounts, 0, "", "another"))
        );
        _verb("setVisibility", user, target, abi.encodeCall(models.setVisibility, (model, Visibility.PUBLIC)));
        _verb("setAllowed", user, target, abi.encodeCall(models.setAllowed, (model, accounts, true)));
        _verb("setDenied", user, target, abi.encodeCall(models.setDenied, (model, accounts, true)));
        _verb("reviseModel", user, target, abi.encodeCall(models.reviseModel, (model, 0, "")));
        _verb("deleteModel", user, target, abi.encodeCall(models.deleteModel, (model)));
        _verb("transferFrom", user, target, abi.encodeCall(models.transferFrom, (user.addr, reader.addr, tokenId)));
        _verb("approve", user, target, abi.encodeCall(models.approve, (reader.addr, tokenId)));
        _verb("setApprovalForAll", user, target, abi.encodeCall(models.setApprovalForAll, (reader.addr, true)));
        _tryAll();
    }

    function test_TrainingCoordinatorOfTheUser() external {
        address target = address(coordinator);
        RequestDetails memory other = details;
        other.salt = "another";
        EscrowTerms memory terms = escrowTerms();
        _verb("request", user, target, abi.encodeCall(coordinator.request, (terms, other, oneInput())));
        uint256 deadline = block.timestamp;
        uint256 amount = coordinator.escrowOf(terms);
        (uint8 v, bytes32 r, bytes32 s) = signPermit(user, target, amount, deadline);
        bytes memory data = abi.encodeCall(coordinator.requestWithPermit, (terms, other, oneInput(), deadline, v, r, s));
        _verb("requestWithPermit", user, target, data);
        bytes32 hash = hashOf(details);
        _verb("requestCancel", user, target, abi.encodeCall(coordinator.requestCancel, (escrow, hash)));
        _verb("collect", developer, target, abi.encodeCall(coordinator.collect, (escrow, hash)));
        _tryAll();
    }

    function test_TrainingCoordinatorOfTheRelayer() external {
        address target = address(coordinator);
        Account memory lander = contributor;
        Commitment memory m = commitmentOf(1, 2, 200);
        bytes memory signature = signCommitment(id, m);
        bytes32 termsHash = termsHashOf(escrow, details);
        _verb("commit", lander, target, abi.encodeCall(coordinator.commit, (escrow.landing, termsHash, m, signature)));
        CommitItem[] memory items = new CommitItem[](1);
        items[0] = CommitItem(escrow.landing, termsHash, m, signature);
        _verb("commitBatch", lander, target, abi.encodeCall(coordinator.commitBatch, (items)));
        Settlement memory settlement = settlementOf(1, 1, 200);
        signature = signSettlement(id, settlement);
        _verb("settle", lander, target, abi.encodeCall(coordinator.settle, (escrow, details, settlement, signature)));
        _verb("withdraw", relayer, target, abi.encodeCall(coordinator.withdraw, (relayer.addr)));
        _tryAll();
    }

    // ---------------------------------------------------------------- what is tried

    function _verb(string memory name, Account memory signer, address target, bytes memory data) private {
        verbs.push(Verb(name, signer, target, data));
    }

    function _tryAll() private {
        assertGt(verbs.length, 0);
        for (uint256 i = 0; i < verbs.length; ++i) {
            Verb memory verb = verbs[i];
            (bool done, bytes32 own) = _effect(verb, verb.signer.addr, verb.target, verb.data);
            assertTrue(done, string.concat(verb.name, ": by the signer itself"));

            bytes memory carried = abi.encodeCall(forwarder.execute, (_carry(verb.signer, verb.signer, verb)));
            (bool landed, bytes32 sponsored) = _effect(verb, relayer.addr, address(forwarder), carried);
            assertTrue(landed, string.concat(verb.name, ": by the forwarder"));
            assertEq(sponsored, own, string.concat(verb.name, ": does the same"));

            // Another key signs for the signer: the forwarder refuses.
            carried = abi.encodeCall(forwarder.execute, (_carry(stranger, verb.signer, verb)));
            (landed,) = _effect(verb, relayer.addr, address(forwarder), carried);
            assertFalse(landed, string.concat(verb.name, ": signed by a stranger"));

            // The signer's address is appended by somebody who is not the forwarder, or carried before the sender's.
            verb.data = bytes.concat(verb.data, bytes20(verb.signer.addr));
            _isNobodys(verb, own, stranger.addr, verb.target, verb.data);
            carried = abi.encodeCall(forwarder.execute, (_carry(stranger, stranger, verb)));
            _isNobodys(verb, own, relayer.addr, address(forwarder), carried);
        }
    }

    /// @dev It is refused, or what it does is the caller's own doing.
    function _isNobodys(Verb memory verb, bytes32 own, address caller, address to, bytes memory data) private {
        (bool done, bytes32 effect) = _effect(verb, caller, to, data);
        assertTrue(!done || effect != own, string.concat(verb.name, ": with a forged sender"));
    }

    /// @dev Does it on the state as it stands and undoes it again.
    /// @return done Whether it was taken.
    /// @return effect Hash of all events but the forwarder's, and of what the signer is owed.
    function _effect(Verb memory verb, address caller, address to, bytes memory data)
        private
        returns (bool done, bytes32 effect)
    {
        uint256 snapshot = vm.snapshotState();
        vm.recordLogs();
        vm.prank(caller);
        (done,) = to.call(data);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        effect = keccak256(
            abi.encode(
                access.creditOf(verb.signer.addr),
                billing.creditOf(verb.signer.addr),
                coordinator.creditOf(verb.signer.addr)
            )
        );
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(forwarder)) effect = keccak256(abi.encode(effect, logs[i]));
        }
        vm.revertToState(snapshot);
    }

    /// @dev A request of `from` to the forwarder, signed by `signer`.
    function _carry(Account memory signer, Account memory from, Verb memory verb)
        private
        view
        returns (ERC2771Forwarder.ForwardRequestData memory request)
    {
        bytes32 typehash = keccak256(
            "ForwardRequest(address from,address to,uint256 value,uint256 gas,uint256 nonce,uint48 deadline,bytes data)"
        );
        (request.from, request.to, request.gas) = (from.addr, verb.target, 5_000_000);
        (request.deadline, request.data) = (uint48(block.timestamp + 1 hours), verb.data);
        bytes memory first = abi.encode(typehash, request.from, request.to, 0, request.gas);
        bytes memory second = abi.encode(forwarder.nonces(from.addr), request.deadline, keccak256(request.data));
        request.signature = sign(signer, address(forwarder), keccak256(bytes.concat(first, second)));
    }

    // ---------------------------------------------------------------- a state in which each verb can be done

    /// @dev The reader has a deposit that has thawed and credit from another.
    function _prepareBilling() private {
        vm.startPrank(reader.addr);
        token.approve(address(billing), type(uint256).max);
        billing.deposit(publisher.addr, 100);
        billing.deposit(developer.addr, 100);
        billing.thaw(publisher.addr, 50);
        billing.thaw(developer.addr, 50);
        vm.warp(block.timestamp + 3 days);
        billing.withdrawDeposit(developer.addr);
        vm.stopPrank();
    }

    /// @dev READ is for sale; the reader's purchase is refundable, the publisher was paid for the contributor's. The
    /// contributor is named as the next publisher.
    function _prepareAccess() private {
        vm.startPrank(publisher.addr);
        access.setOffer(
            collection,
            Right.READ,
            Offer(500, 0, publisher.addr, 30 days, 1 days, true, false, IAccessPolicy(address(0)))
        );
        collections.transferPublisher(collection, contributor.addr);
        vm.stopPrank();
        _buy(reader);
        _buy(contributor);
        vm.prank(user.addr);
        token.approve(address(access), type(uint256).max);
        AccessUse memory use = AccessUse(collection, Right.READ, contributor.addr, uint40(block.timestamp));
        access.landUse(use, sign(contributor, access.accessUseDigest(use)));
    }

    function _buy(Account memory buyer) private {
        vm.startPrank(buyer.addr);
        token.approve(address(access), type(uint256).max);
        access.buy(collection, Right.READ, anyTerms);
        vm.stopPrank();
    }

    /// @dev A request with one commitment landed.
    function _prepareTraining() private {
        escrow = escrowTerms();
        details = detailsOf(oneInput());
        id = openWith(escrow, details, oneInput());
        vm.warp(block.timestamp + 100);
        landFirst(escrow, details, 1, 100);
    }
}
