// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistry} from "offsetdata/interfaces/IModelRegistry.sol";
import {BaseId, MethodId, ProjectId} from "offsetdata/types/Ids.sol";
import {MethodState, MethodTerms} from "offsetdata/types/Model.sol";

import {RegistryBase} from "./RegistryBase.t.sol";

contract BasesTest is RegistryBase {
    function _expectTooLong(uint256 actual, uint256 maximum) private {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelRegistry_TooLong.selector, actual, maximum));
    }

    function _expectNotDeveloper() private {
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.ModelRegistry_NotDeveloper.selector, stranger.addr, developer.addr)
        );
    }

    // ---------------------------------------------------------------- bases

    function test_WhenBasePublished() external {
        BaseId expected = models.baseIdOf(stranger.addr, DIGEST, SALT);
        assertTrue(expected != base);
        bytes32 typehash =
            keccak256("Base(uint256 chainId,address registry,address developer,bytes32 metadataDigest,bytes32 salt)");
        assertEq(
            BaseId.unwrap(expected),
            keccak256(abi.encode(typehash, block.chainid, address(models), stranger.addr, DIGEST, SALT))
        );
        vm.expectEmit(address(models));
        emit IModelRegistry.BasePublished(expected, stranger.addr, DIGEST, URI, SALT);
        vm.prank(stranger.addr);
        assertTrue(models.publishBase(DIGEST, URI, SALT) == expected);
        assertEq(models.developerOf(expected), stranger.addr);
        assertFalse(models.isRetired(expected));
    }

    function test_WhenBasePublishedThroughTheForwarder() external {
        forward(stranger, address(models), abi.encodeCall(models.publishBase, (DIGEST, URI, SALT)));
        assertEq(models.developerOf(models.baseIdOf(stranger.addr, DIGEST, SALT)), stranger.addr);
    }

    function test_RevertWhen_BasePublishedTwice() external {
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.ModelRegistry_AlreadyExists.selector, BaseId.unwrap(base))
        );
        vm.prank(developer.addr);
        models.publishBase(DIGEST, "another uri", SALT);
    }

    function test_RevertWhen_UriIsTooLong() external {
        vm.startPrank(developer.addr);
        models.publishBase(DIGEST, text(512), 0);
        string memory long = text(513);
        _expectTooLong(513, 512);
        models.publishBase(DIGEST, long, bytes32(uint256(1)));
        _expectTooLong(513, 512);
        models.reviseBase(base, DIGEST, long);
        _expectTooLong(513, 512);
        models.createProject(DIGEST, long, 0);
    }

    function test_WhenBaseRevised() external {
        vm.expectEmit(address(models));
        emit IModelRegistry.BaseMetadataRevised(base, keccak256("new"), "ipfs://new");
        vm.prank(developer.addr);
        models.reviseBase(base, keccak256("new"), "ipfs://new");
    }

    function test_WhenBaseRetired() external {
        vm.expectEmit(address(models));
        emit IModelRegistry.BaseRetired(base);
        vm.startPrank(developer.addr);
        models.retireBase(base);
        assertTrue(models.isRetired(base));
        bytes memory retired = abi.encodeWithSelector(IModelRegistry.ModelRegistry_BaseRetired.selector, base);
        vm.expectRevert(retired);
        models.retireBase(base);
        vm.expectRevert(retired);
        models.offerMethod(base, "other", terms());
        vm.expectRevert(retired);
        models.quote(model, method, user.addr);
    }

    function test_RevertWhen_CallerIsNotTheDeveloper() external {
        vm.startPrank(stranger.addr);
        _expectNotDeveloper();
        models.reviseBase(base, DIGEST, URI);
        _expectNotDeveloper();
        models.retireBase(base);
        _expectNotDeveloper();
        models.offerMethod(base, "other", terms());
        _expectNotDeveloper();
        models.withdrawMethod(base, method);
        _expectNotDeveloper();
        models.setWorkers(base, only(worker), true);
    }

    function test_RevertGiven_UnknownBase() external {
        BaseId unknown = BaseId.wrap(keccak256("unknown"));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelRegistry_UnknownBase.selector, unknown));
        models.reviseBase(unknown, DIGEST, URI);
    }

    // ---------------------------------------------------------------- methods

    function test_WhenMethodOffered() external view {
        assertEq(MethodId.unwrap(method), keccak256("classify"));
        MethodState memory state = models.methodOf(base, method);
        assertEq(state.unitPrice, 50);
        assertEq(state.maxUnitsPerSecond, 1000);
        assertEq(state.holdbackBps, 2000);
        assertEq(state.intake, 3);
        assertTrue(state.active);
        assertEq(state.scheduler, scheduler.addr);
        assertEq(state.trainerDigest, keccak256("trainer"));
    }

    function test_WhenMethodOfferedAgain_TermsChange() external {
        MethodTerms memory changed = terms();
        changed.unitPrice = 70;
        vm.expectEmit(address(models));
        emit IModelRegistry.MethodOffered(base, method, "classify", changed);
        vm.prank(developer.addr);
        models.offerMethod(base, "classify", changed);
        assertEq(models.methodOf(base, method).unitPrice, 70);
    }

    function _invalid(MethodTerms memory wrong) private {
        vm.expectRevert(IModelRegistry.ModelRegistry_InvalidMethod.selector);
        models.offerMethod(base, "wrong", wrong);
    }

    function test_RevertWhen_MethodIsInvalid() external {
        vm.startPrank(developer.addr);
        MethodTerms memory wrong = terms();
        wrong.intake = 0;
        _invalid(wrong);
        wrong.intake = 4;
        _invalid(wrong);
        wrong = terms();
        wrong.holdbackBps = 10_001;
        _invalid(wrong);
        wrong = terms();
        wrong.maxUnitsPerSecond = 0;
        _invalid(wrong);
        wrong = terms();
        wrong.scheduler = address(0);
        _invalid(wrong);
        vm.expectRevert(IModelRegistry.ModelRegistry_InvalidMethod.selector);
        models.offerMethod(base, "", terms());
    }

    function test_RevertWhen_NameIsTooLong() external {
        vm.startPrank(developer.addr);
        models.offerMethod(base, text(64), terms());
        string memory long = text(65);
        _expectTooLong(65, 64);
        models.offerMethod(base, long, terms());
    }

    function test_WhenMethodWithdrawn() external {
        vm.startPrank(developer.addr);
        vm.expectEmit(address(models));
        emit IModelRegistry.MethodWithdrawn(base, method);
        models.withdrawMethod(base, method);
        assertFalse(models.methodOf(base, method).active);
        bytes memory expected =
            abi.encodeWithSelector(IModelRegistry.ModelRegistry_MethodNotOffered.selector, base, method);
        vm.expectRevert(expected);
        models.withdrawMethod(base, method);
        vm.expectRevert(expected);
        models.quote(model, method, user.addr);
    }

    // ---------------------------------------------------------------- workers

    function test_WhenWorkersSet() external {
        vm.startPrank(developer.addr);
        vm.expectEmit(address(models));
        emit IModelRegistry.WorkerSet(base, worker.addr, true);
        models.setWorkers(base, only(worker), true);
        assertTrue(models.isWorker(base, worker.addr));
        models.setWorkers(base, only(worker), false);
        assertFalse(models.isWorker(base, worker.addr));
        models.setWorkers(base, new address[](256), true);
        _expectTooLong(257, 256);
        models.setWorkers(base, new address[](257), true);
    }

    // ---------------------------------------------------------------- projects

    function test_WhenProjectCreated() external {
        ProjectId expected = models.projectIdOf(stranger.addr, DIGEST, SALT);
        bytes32 typehash =
            keccak256("Project(uint256 chainId,address registry,address owner,bytes32 metadataDigest,bytes32 salt)");
        assertEq(
            ProjectId.unwrap(expected),
            keccak256(abi.encode(typehash, block.chainid, address(models), stranger.addr, DIGEST, SALT))
        );
        vm.expectEmit(address(models));
        emit IModelRegistry.ProjectCreated(expected, stranger.addr, DIGEST, URI, SALT);
        vm.prank(stranger.addr);
        models.createProject(DIGEST, URI, SALT);
        assertEq(models.projectOwnerOf(expected), stranger.addr);
    }

    function test_RevertWhen_ProjectCreatedTwice() external {
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.ModelRegistry_AlreadyExists.selector, ProjectId.unwrap(project))
        );
        vm.prank(user.addr);
        models.createProject(DIGEST, URI, SALT);
    }

    function test_WhenProjectRevised() external {
        vm.expectEmit(address(models));
        emit IModelRegistry.ProjectMetadataRevised(project, keccak256("new"), "ipfs://new");
        vm.prank(user.addr);
        models.reviseProject(project, keccak256("new"), "ipfs://new");
    }

    function test_RevertWhen_ProjectRevisedByAnotherOrUnknown() external {
        vm.startPrank(stranger.addr);
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.ModelRegistry_NotOwner.selector, stranger.addr, user.addr)
        );
        models.reviseProject(project, DIGEST, URI);
        ProjectId unknown = ProjectId.wrap(keccak256("unknown"));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelRegistry_UnknownProject.selector, unknown));
        models.reviseProject(unknown, DIGEST, URI);
    }
}
