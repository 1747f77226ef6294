// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

import {BaseId, MethodId, ModelId, ProjectId} from "../types/Ids.sol";
import {MethodState, MethodTerms, ModelState, TrainingQuote, Visibility} from "../types/Model.sol";

/// @title ModelRegistry
/// @notice Bases that developers offer, projects that users open and models, each an ERC-721 of its owner.
/// It holds no money and does not know the coordinator.
interface IModelRegistry is IERC721 {
    // ---------------------------------------------------------------- events

    /// @notice Emitted when a developer publishes a base.
    event BasePublished(
        BaseId indexed base, address indexed developer, bytes32 metadataDigest, string metadataUri, bytes32 salt
    );

    /// @notice Emitted when the developer revises the metadata of a base.
    event BaseMetadataRevised(BaseId indexed base, bytes32 metadataDigest, string metadataUri);

    /// @notice Emitted when the developer retires a base: no new models and requests.
    event BaseRetired(BaseId indexed base);

    /// @notice Emitted when a method is offered or its terms change. Running requests keep their own terms.
    event MethodOffered(BaseId indexed base, MethodId indexed method, string name, MethodTerms terms);

    /// @notice Emitted when a method is no longer offered.
    event MethodWithdrawn(BaseId indexed base, MethodId indexed method);

    /// @notice Emitted when a worker key is allowed or not any more.
    event WorkerSet(BaseId indexed base, address indexed worker, bool allowed);

    /// @notice Emitted when a user opens a project.
    event ProjectCreated(
        ProjectId indexed project, address indexed owner, bytes32 metadataDigest, string metadataUri, bytes32 salt
    );

    /// @notice Emitted when the owner revises the metadata of a project.
    event ProjectMetadataRevised(ProjectId indexed project, bytes32 metadataDigest, string metadataUri);

    /// @notice Emitted when a model gets its id.
    event ModelRequested(
        ModelId indexed model,
        BaseId indexed base,
        ProjectId indexed project,
        address owner,
        Visibility visibility,
        bytes32 metadataDigest,
        string metadataUri,
        bytes32 salt
    );

    /// @notice Emitted when the owner changes who may use a model.
    event ModelVisibilitySet(ModelId indexed model, Visibility visibility);

    /// @notice Emitted once for each account whose access was set.
    event ModelAccessSet(ModelId indexed model, address indexed account, bool allowed, bool denied);

    /// @notice Emitted when the owner revises the metadata of a model.
    event ModelMetadataRevised(ModelId indexed model, bytes32 metadataDigest, string metadataUri);

    /// @notice Emitted when the owner deletes a model. Its history stays.
    event ModelDeleted(ModelId indexed model, address indexed owner);

    // ---------------------------------------------------------------- errors

    /// @notice Thrown when this base, project or model exists already.
    error ModelRegistry_AlreadyExists(bytes32 id);

    /// @notice Thrown when no base has this id.
    error ModelRegistry_UnknownBase(BaseId base);

    /// @notice Thrown when no project has this id.
    error ModelRegistry_UnknownProject(ProjectId project);

    /// @notice Thrown when no model has this id.
    error ModelRegistry_UnknownModel(ModelId model);

    /// @notice Thrown when the base does not offer this method now.
    error ModelRegistry_MethodNotOffered(BaseId base, MethodId method);

    /// @notice Thrown when the base is retired.
    error ModelRegistry_BaseRetired(BaseId base);

    /// @notice Thrown when the model is deleted.
    error ModelRegistry_ModelDeleted(ModelId model);

    /// @notice Thrown when the caller is not the developer of the base.
    error ModelRegistry_NotDeveloper(address caller, address developer);

    /// @notice Thrown when the caller is not the owner of the project or model.
    error ModelRegistry_NotOwner(address caller, address owner);

    /// @notice Thrown when the account may not request training of the model.
    error ModelRegistry_NotAllowed(ModelId model, address account);

    /// @notice Thrown when a method has no intake, a holdback over 10,000, no rate or no scheduler.
    error ModelRegistry_InvalidMethod();

    /// @notice Thrown when a list or text is longer than allowed.
    error ModelRegistry_TooLong(uint256 actual, uint256 maximum);

    // ---------------------------------------------------------------- offer a base

    /// @notice Publishes a base for the caller.
    function publishBase(bytes32 metadataDigest, string calldata metadataUri, bytes32 salt) external returns (BaseId);

    /// @notice Revises the metadata of a base. Developer only.
    function reviseBase(BaseId base, bytes32 metadataDigest, string calldata metadataUri) external;

    /// @notice Retires a base. Developer only, final.
    function retireBase(BaseId base) external;

    /// @notice Offers a method or changes its terms for later requests. Developer only.
    /// @return method keccak256(bytes(name)): the same name is the same method of the base.
    function offerMethod(BaseId base, string calldata name, MethodTerms calldata terms) external returns (MethodId);

    /// @notice Withdraws a method for later requests. Developer only.
    function withdrawMethod(BaseId base, MethodId method) external;

    /// @notice Allows or disallows worker keys. Developer only.
    function setWorkers(BaseId base, address[] calldata workers, bool allowed) external;

    // ---------------------------------------------------------------- open a project

    /// @notice Opens a project for the caller.
    function createProject(bytes32 metadataDigest, string calldata metadataUri, bytes32 salt)
        external
        returns (ProjectId);

    /// @notice Revises the metadata of a project. Its owner only.
    function reviseProject(ProjectId project, bytes32 metadataDigest, string calldata metadataUri) external;

    // ---------------------------------------------------------------- request a model

    /// @notice Makes a model from a base, in a project of the caller, who becomes its owner.
    /// @param allowed Accounts that may use and train a restricted model beside its owner.
    function requestModel(
        ProjectId project,
        BaseId base,
        Visibility visibility,
        address[] calldata allowed,
        bytes32 metadataDigest,
        string calldata metadataUri,
        bytes32 salt
    ) external returns (ModelId);

    /// @notice Sets who may use a model. Owner only.
    function setVisibility(ModelId model, Visibility visibility) external;

    /// @notice Allows accounts to use and train the model, or takes that back. Owner only.
    function setAllowed(ModelId model, address[] calldata accounts, bool allowed) external;

    /// @notice Denies accounts whatever the visibility, or takes that back. Owner only.
    function setDenied(ModelId model, address[] calldata accounts, bool denied) external;

    /// @notice Revises the metadata of a model. Owner only.
    function reviseModel(ModelId model, bytes32 metadataDigest, string calldata metadataUri) external;

    /// @notice Deletes a model: no new requests, no use, no transfer; versions and history stay. Owner only, final.
    function deleteModel(ModelId model) external;

    // ---------------------------------------------------------------- views

    /// @notice The id that `developer` gets for this salt and metadata.
    function baseIdOf(address developer, bytes32 metadataDigest, bytes32 salt) external view returns (BaseId);

    /// @notice The id that `owner` gets for this salt and metadata.
    function projectIdOf(address owner, bytes32 metadataDigest, bytes32 salt) external view returns (ProjectId);

    /// @notice The id that `owner` gets for a model of `base` in `project` with this salt.
    function modelIdOf(address owner, ProjectId project, BaseId base, bytes32 salt) external view returns (ModelId);

    /// @notice The developer of a base, zero for an unknown one.
    function developerOf(BaseId base) external view returns (address);

    /// @notice Whether the base is retired.
    function isRetired(BaseId base) external view returns (bool);

    /// @notice What is kept of a method; `active` is false where it is not offered.
    function methodOf(BaseId base, MethodId method) external view returns (MethodState memory);

    /// @notice Whether this worker key works for the base now.
    function isWorker(BaseId base, address worker) external view returns (bool);

    /// @notice The owner of a project, zero for an unknown one.
    function projectOwnerOf(ProjectId project) external view returns (address);

    /// @notice Base, visibility, deletion and time of a model.
    function modelOf(ModelId model) external view returns (ModelState memory);

    /// @notice Whether the account may use the model: owner, allowed, or anyone if public; never the denied, never a
    /// deleted model.
    function canUse(ModelId model, address account) external view returns (bool);

    /// @notice Whether the account may request training of the model: owner or allowed; never the denied.
    function canTrain(ModelId model, address account) external view returns (bool);

    /// @notice Terms under which `account` may request training of `model` by `method` now.
    /// Reverts with the reason where it may not.
    function quote(ModelId model, MethodId method, address account) external view returns (TrainingQuote memory);
}
