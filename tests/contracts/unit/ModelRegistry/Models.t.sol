// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

import {IModelRegistry} from "offsetdata/interfaces/IModelRegistry.sol";
import {BaseId, MethodId, ModelId, ProjectId} from "offsetdata/types/Ids.sol";
import {ModelState, TrainingQuote, Visibility} from "offsetdata/types/Model.sol";

import {RegistryBase} from "./RegistryBase.t.sol";

contract ModelsTest is RegistryBase {
    address[] private none;

    function _expectNotOwner() private {
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.ModelRegistry_NotOwner.selector, stranger.addr, user.addr)
        );
    }

    function _expectDeleted() private {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelRegistry_ModelDeleted.selector, model));
    }

    // ---------------------------------------------------------------- requestModel

    function test_WhenModelRequested() external {
        bytes32 salt = keccak256("second");
        ModelId expected = models.modelIdOf(user.addr, project, base, salt);
        bytes32 typehash = keccak256(
            "Model(uint256 chainId,address registry,address owner,bytes32 project,bytes32 base,bytes32 salt)"
        );
        assertEq(
            ModelId.unwrap(expected),
            keccak256(abi.encode(typehash, block.chainid, address(models), user.addr, project, base, salt))
        );
        vm.expectEmit(address(models));
        emit IERC721.Transfer(address(0), user.addr, expected.tokenId());
        vm.expectEmit(address(models));
        emit IModelRegistry.ModelRequested(expected, base, project, user.addr, Visibility.PUBLIC, DIGEST, URI, salt);
        vm.expectEmit(address(models));
        emit IModelRegistry.ModelAccessSet(expected, reader.addr, true, false);
        vm.prank(user.addr);
        models.requestModel(project, base, Visibility.PUBLIC, only(reader), DIGEST, URI, salt);
        assertEq(models.ownerOf(expected.tokenId()), user.addr);
        ModelState memory state = models.modelOf(expected);
        assertTrue(state.base == base);
        assertEq(uint8(state.visibility), uint8(Visibility.PUBLIC));
        assertFalse(state.deleted);
        assertEq(state.createdAt, block.timestamp);
        assertEq(models.tokenURI(expected.tokenId()), "");
        assertEq(models.symbol(), "ODM");
        assertEq(models.name(), "Offsetdata Model");
        assertTrue(models.supportsInterface(type(IERC721).interfaceId));
    }

    function test_RevertWhen_RequestedTwice() external {
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.ModelRegistry_AlreadyExists.selector, ModelId.unwrap(model))
        );
        vm.prank(user.addr);
        models.requestModel(project, base, Visibility.PUBLIC, none, 0, "", SALT);
    }

    function test_RevertWhen_ProjectIsNotTheCallers() external {
        _expectNotOwner();
        vm.prank(stranger.addr);
        models.requestModel(project, base, Visibility.PUBLIC, none, 0, "", 0);
        ProjectId unknown = ProjectId.wrap(0);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelRegistry_UnknownProject.selector, unknown));
        models.requestModel(unknown, base, Visibility.PUBLIC, none, 0, "", 0);
    }

    function test_RevertGiven_BaseUnknownOrRetired() external {
        BaseId unknown = BaseId.wrap(0);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelRegistry_UnknownBase.selector, unknown));
        vm.prank(user.addr);
        models.requestModel(project, unknown, Visibility.PUBLIC, none, 0, "", 0);
        vm.prank(developer.addr);
        models.retireBase(base);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelRegistry_BaseRetired.selector, base));
        vm.prank(user.addr);
        models.requestModel(project, base, Visibility.PUBLIC, none, 0, "", 0);
    }

    function test_RevertWhen_ListIsTooLong() external {
        bytes memory expected = abi.encodeWithSelector(IModelRegistry.ModelRegistry_TooLong.selector, 257, 256);
        address[] memory list = new address[](257);
        vm.startPrank(user.addr);
        vm.expectRevert(expected);
        models.requestModel(project, base, Visibility.PUBLIC, list, 0, "", 0);
        vm.expectRevert(expected);
        models.setAllowed(model, list, true);
        vm.expectRevert(expected);
        models.setDenied(model, list, true);
        string memory long = text(513);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelRegistry_TooLong.selector, 513, 512));
        models.reviseModel(model, 0, long);
    }

    // ---------------------------------------------------------------- who may

    function _assertMay(Account memory account, bool use, bool train) private view {
        assertEq(models.canUse(model, account.addr), use, "use");
        assertEq(models.canTrain(model, account.addr), train, "train");
    }

    function test_GivenRestricted() external view {
        _assertMay(user, true, true);
        _assertMay(reader, true, true);
        _assertMay(stranger, false, false);
    }

    function test_GivenPublic() external {
        vm.expectEmit(address(models));
        emit IModelRegistry.ModelVisibilitySet(model, Visibility.PUBLIC);
        vm.startPrank(user.addr);
        models.setVisibility(model, Visibility.PUBLIC);
        _assertMay(stranger, true, false);
        models.setDenied(model, only(stranger), true);
        _assertMay(stranger, false, false);
        models.setVisibility(model, Visibility.RESTRICTED);
        models.setDenied(model, only(stranger), false);
        _assertMay(stranger, false, false);
    }

    function test_GivenAllowedAndDenied_DeniedPrevails() external {
        vm.startPrank(user.addr);
        vm.expectEmit(address(models));
        emit IModelRegistry.ModelAccessSet(model, reader.addr, true, true);
        models.setDenied(model, only(reader), true);
        _assertMay(reader, false, false);
        vm.expectEmit(address(models));
        emit IModelRegistry.ModelAccessSet(model, reader.addr, false, true);
        models.setAllowed(model, only(reader), false);
        models.setDenied(model, only(reader), false);
        _assertMay(reader, false, false);
        models.setAllowed(model, only(reader), true);
        _assertMay(reader, true, true);
    }

    function test_GivenUnknownModel_NobodyMay() external view {
        ModelId unknown = ModelId.wrap(0);
        assertFalse(models.canUse(unknown, address(0)));
        assertFalse(models.canTrain(unknown, address(0)));
    }

    function test_GivenTransferred_TheNewOwnerMay() external {
        vm.prank(user.addr);
        models.transferFrom(user.addr, stranger.addr, model.tokenId());
        _assertMay(stranger, true, true);
        _assertMay(user, false, false);
        vm.prank(stranger.addr);
        models.setVisibility(model, Visibility.PUBLIC);
    }

    // ---------------------------------------------------------------- quote

    function test_WhenQuoted() external view {
        TrainingQuote memory quote = models.quote(model, method, reader.addr);
        assertEq(quote.developer, developer.addr);
        assertEq(quote.scheduler, scheduler.addr);
        assertEq(quote.unitPrice, 50);
        assertEq(quote.maxUnitsPerSecond, 1000);
        assertEq(quote.holdbackBps, 2000);
        assertEq(quote.intake, 3);
        assertEq(quote.trainerDigest, keccak256("trainer"));
    }

    function test_RevertWhen_QuoteIsNotToBeHad() external {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelRegistry_NotAllowed.selector, model, stranger.addr));
        models.quote(model, method, stranger.addr);
        ModelId unknown = ModelId.wrap(0);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelRegistry_UnknownModel.selector, unknown));
        models.quote(unknown, method, user.addr);
        MethodId other = MethodId.wrap(0);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelRegistry_MethodNotOffered.selector, base, other));
        models.quote(model, other, user.addr);
    }

    // ---------------------------------------------------------------- owner's verbs

    function test_WhenModelRevised() external {
        vm.expectEmit(address(models));
        emit IModelRegistry.ModelMetadataRevised(model, keccak256("new"), "ipfs://new");
        vm.prank(user.addr);
        models.reviseModel(model, keccak256("new"), "ipfs://new");
    }

    function test_RevertWhen_CallerIsNotTheOwner() external {
        vm.startPrank(stranger.addr);
        _expectNotOwner();
        models.setVisibility(model, Visibility.PUBLIC);
        _expectNotOwner();
        models.setAllowed(model, none, true);
        _expectNotOwner();
        models.setDenied(model, none, true);
        _expectNotOwner();
        models.reviseModel(model, 0, "");
        _expectNotOwner();
        models.deleteModel(model);
        ModelId unknown = ModelId.wrap(0);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelRegistry_UnknownModel.selector, unknown));
        models.deleteModel(unknown);
    }

    function test_WhenDeleted_NothingGoesOnButTheOwnerIsKnown() external {
        vm.startPrank(user.addr);
        vm.expectEmit(address(models));
        emit IModelRegistry.ModelDeleted(model, user.addr);
        models.deleteModel(model);
        assertTrue(models.modelOf(model).deleted);
        assertEq(models.ownerOf(model.tokenId()), user.addr);
        _assertMay(user, false, false);
        _expectDeleted();
        models.quote(model, method, user.addr);
        _expectDeleted();
        models.transferFrom(user.addr, stranger.addr, model.tokenId());
        _expectDeleted();
        models.setVisibility(model, Visibility.PUBLIC);
        _expectDeleted();
        models.setAllowed(model, none, true);
        _expectDeleted();
        models.setDenied(model, none, true);
        _expectDeleted();
        models.reviseModel(model, 0, "");
        _expectDeleted();
        models.deleteModel(model);
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.ModelRegistry_AlreadyExists.selector, ModelId.unwrap(model))
        );
        models.requestModel(project, base, Visibility.PUBLIC, none, 0, "", SALT);
    }

    function test_RevertWhen_TransferredByAnother() external {
        vm.expectRevert(
            abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, stranger.addr, model.tokenId())
        );
        vm.prank(stranger.addr);
        models.transferFrom(user.addr, stranger.addr, model.tokenId());
    }

    function test_WhenTransferredThroughTheForwarder() external {
        forward(
            user, address(models), abi.encodeCall(IERC721.transferFrom, (user.addr, stranger.addr, model.tokenId()))
        );
        assertEq(models.ownerOf(model.tokenId()), stranger.addr);
    }
}
