// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC2771Context} from "@openzeppelin/contracts/metatx/ERC2771Context.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {Context} from "@openzeppelin/contracts/utils/Context.sol";

import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {ModelHashes} from "./libraries/ModelHashes.sol";
import {BaseId, MethodId, ModelId, ProjectId} from "./types/Ids.sol";
import {
    INTAKE_COLLECTION,
    INTAKE_DIRECT,
    MethodState,
    MethodTerms,
    ModelState,
    TrainingQuote,
    Visibility
} from "./types/Model.sol";

/// @title ModelRegistry
/// @notice Bases, methods, projects and models, and who may use and train them. The interface says how. It holds no
/// money and does not know the coordinator.
/// @dev Metadata (digest and address) live in events only; `tokenURI` therefore answers the empty string for every
/// model. Access lists belong to the model and stay when it changes hands: a new owner sets them anew.
contract ModelRegistry is IModelRegistry, ERC721, ERC2771Context {
    /// @dev What is kept of a base.
    struct BaseState {
        // slot 1
        address developer;
        bool retired;
    }

    /// @dev What the owner said of an account.
    struct ModelAccess {
        // slot 1
        bool allowed;
        bool denied;
    }

    /// @notice No list of accounts or workers in one call is longer.
    uint256 public constant MAX_LIST = 256;

    /// @notice No metadata URI has more bytes.
    uint256 public constant MAX_URI = 512;

    /// @notice No name of a method has more bytes.
    uint256 public constant MAX_NAME = 64;

    uint16 private constant FULL_BPS = 10_000;

    mapping(BaseId base => BaseState) private _bases;
    mapping(BaseId base => mapping(MethodId method => MethodState)) private _methods;
    mapping(BaseId base => mapping(address worker => bool)) private _workers;
    mapping(ProjectId project => address owner) private _projectOwners;
    mapping(ModelId model => ModelState) private _models;
    mapping(ModelId model => mapping(address account => ModelAccess)) private _access;

    constructor(address forwarder) ERC721("Offsetdata Model", "ODM") ERC2771Context(forwarder) {}

    // ---------------------------------------------------------------- offer a base

    /// @inheritdoc IModelRegistry
    function publishBase(bytes32 metadataDigest, string calldata metadataUri, bytes32 salt)
        external
        returns (BaseId base)
    {
        _requireUri(metadataUri);
        address developer = _msgSender();
        base = ModelHashes.baseId(developer, metadataDigest, salt);
        require(_bases[base].developer == address(0), ModelRegistry_AlreadyExists(BaseId.unwrap(base)));

        _bases[base].developer = developer;
        emit BasePublished(base, developer, metadataDigest, metadataUri, salt);
    }

    /// @inheritdoc IModelRegistry
    function reviseBase(BaseId base, bytes32 metadataDigest, string calldata metadataUri) external {
        _requireDeveloper(base);
        _requireUri(metadataUri);
        emit BaseMetadataRevised(base, metadataDigest, metadataUri);
    }

    /// @inheritdoc IModelRegistry
    function retireBase(BaseId base) external {
        _requireDeveloper(base);
        _requireBaseOpen(base);
        _bases[base].retired = true;
        emit BaseRetired(base);
    }

    /// @inheritdoc IModelRegistry
    function offerMethod(BaseId base, string calldata name, MethodTerms calldata terms)
        external
        returns (MethodId method)
    {
        _requireDeveloper(base);
        _requireBaseOpen(base);
        uint256 length = bytes(name).length;
        require(length <= MAX_NAME, ModelRegistry_TooLong(length, MAX_NAME));
        require(length != 0 && _isSane(terms), ModelRegistry_InvalidMethod());

        method = ModelHashes.methodId(name);
        _methods[base][method] = MethodState({
            unitPrice: terms.unitPrice,
            maxUnitsPerSecond: terms.maxUnitsPerSecond,
            holdbackBps: terms.holdbackBps,
            intake: terms.intake,
            active: true,
            scheduler: terms.scheduler,
            trainerDigest: terms.trainerDigest
        });
        emit MethodOffered(base, method, name, terms);
    }

    /// @inheritdoc IModelRegistry
    function withdrawMethod(BaseId base, MethodId method) external {
        _requireDeveloper(base);
        require(_methods[base][method].active, ModelRegistry_MethodNotOffered(base, method));
        _methods[base][method].active = false;
        emit MethodWithdrawn(base, method);
    }

    /// @inheritdoc IModelRegistry
    function setWorkers(BaseId base, address[] calldata workers, bool allowed) external {
        _requireDeveloper(base);
        _requireList(workers);
        for (uint256 i = 0; i < workers.length; ++i) {
            _workers[base][workers[i]] = allowed;
            emit WorkerSet(base, workers[i], allowed);
        }
    }

    // ---------------------------------------------------------------- open a project

    /// @inheritdoc IModelRegistry
    function createProject(bytes32 metadataDigest, string calldata metadataUri, bytes32 salt)
        external
        returns (ProjectId project)
    {
        _requireUri(metadataUri);
        address owner = _msgSender();
        project = ModelHashes.projectId(owner, metadataDigest, salt);
        require(_projectOwners[project] == address(0), ModelRegistry_AlreadyExists(ProjectId.unwrap(project)));

        _projectOwners[project] = owner;
        emit ProjectCreated(project, owner, metadataDigest, metadataUri, salt);
    }

    /// @inheritdoc IModelRegistry
    function reviseProject(ProjectId project, bytes32 metadataDigest, string calldata metadataUri) external {
        _requireProjectOwner(project, _msgSender());
        _requireUri(metadataUri);
        emit ProjectMetadataRevised(project, metadataDigest, metadataUri);
    }

    // ---------------------------------------------------------------- request a model

    /// @inheritdoc IModelRegistry
    function requestModel(
        ProjectId project,
        BaseId base,
        Visibility visibility,
        address[] calldata allowed,
        bytes32 metadataDigest,
        string calldata metadataUri,
        bytes32 salt
    ) external returns (ModelId model) {
        address owner = _msgSender();
        _requireProjectOwner(project, owner);
        _requireBaseOpen(base);
        _requireUri(metadataUri);
        _requireList(allowed);
        model = ModelHashes.modelId(owner, project, base, salt);
        require(_models[model].createdAt == 0, ModelRegistry_AlreadyExists(ModelId.unwrap(model)));

        _models[model] =
            ModelState({base: base, visibility: visibility, deleted: false, createdAt: uint40(block.timestamp)});
        _mint(owner, model.tokenId());
        emit ModelRequested(model, base, project, owner, visibility, metadataDigest, metadataUri, salt);
        for (uint256 i = 0; i < allowed.length; ++i) {
            _access[model][allowed[i]].allowed = true;
            emit ModelAccessSet(model, allowed[i], true, false);
        }
    }

    /// @inheritdoc IModelRegistry
    function setVisibility(ModelId model, Visibility visibility) external {
        _requireModelOwner(model);
        _models[model].visibility = visibility;
        emit ModelVisibilitySet(model, visibility);
    }

    /// @inheritdoc IModelRegistry
    function setAllowed(ModelId model, address[] calldata accounts, bool allowed) external {
        _requireModelOwner(model);
        _requireList(accounts);
        for (uint256 i = 0; i < accounts.length; ++i) {
            ModelAccess storage access = _access[model][accounts[i]];
            access.allowed = allowed;
            emit ModelAccessSet(model, accounts[i], allowed, access.denied);
        }
    }

    /// @inheritdoc IModelRegistry
    function setDenied(ModelId model, address[] calldata accounts, bool denied) external {
        _requireModelOwner(model);
        _requireList(accounts);
        for (uint256 i = 0; i < accounts.length; ++i) {
            ModelAccess storage access = _access[model][accounts[i]];
            access.denied = denied;
            emit ModelAccessSet(model, accounts[i], access.allowed, denied);
        }
    }

    /// @inheritdoc IModelRegistry
    function reviseModel(ModelId model, bytes32 metadataDigest, string calldata metadataUri) external {
        _requireModelOwner(model);
        _requireUri(metadataUri);
        emit ModelMetadataRevised(model, metadataDigest, metadataUri);
    }

    /// @inheritdoc IModelRegistry
    function deleteModel(ModelId model) external {
        address owner = _requireModelOwner(model);
        _models[model].deleted = true;
        emit ModelDeleted(model, owner);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IModelRegistry
    function baseIdOf(address developer, bytes32 metadataDigest, bytes32 salt) external view returns (BaseId) {
        return ModelHashes.baseId(developer, metadataDigest, salt);
    }

    /// @inheritdoc IModelRegistry
    function projectIdOf(address owner, bytes32 metadataDigest, bytes32 salt) external view returns (ProjectId) {
        return ModelHashes.projectId(owner, metadataDigest, salt);
    }

    /// @inheritdoc IModelRegistry
    function modelIdOf(address owner, ProjectId project, BaseId base, bytes32 salt) external view returns (ModelId) {
        return ModelHashes.modelId(owner, project, base, salt);
    }

    /// @inheritdoc IModelRegistry
    function developerOf(BaseId base) external view returns (address) {
        return _bases[base].developer;
    }

    /// @inheritdoc IModelRegistry
    function isRetired(BaseId base) external view returns (bool) {
        return _bases[base].retired;
    }

    /// @inheritdoc IModelRegistry
    function methodOf(BaseId base, MethodId method) external view returns (MethodState memory) {
        return _methods[base][method];
    }

    /// @inheritdoc IModelRegistry
    function isWorker(BaseId base, address worker) external view returns (bool) {
        return _workers[base][worker];
    }

    /// @inheritdoc IModelRegistry
    function projectOwnerOf(ProjectId project) external view returns (address) {
        return _projectOwners[project];
    }

    /// @inheritdoc IModelRegistry
    function modelOf(ModelId model) external view returns (ModelState memory) {
        return _models[model];
    }

    /// @inheritdoc IModelRegistry
    function canUse(ModelId model, address account) external view returns (bool) {
        ModelState storage state = _models[model];
        if (state.createdAt == 0 || state.deleted) return false;
        if (state.visibility == Visibility.PUBLIC) return !_access[model][account].denied;
        return _isAdmitted(model, account);
    }

    /// @inheritdoc IModelRegistry
    function canTrain(ModelId model, address account) external view returns (bool) {
        ModelState storage state = _models[model];
        return state.createdAt != 0 && !state.deleted && _isAdmitted(model, account);
    }

    /// @inheritdoc IModelRegistry
    function quote(ModelId model, MethodId method, address account) external view returns (TrainingQuote memory) {
        ModelState storage state = _models[model];
        require(state.createdAt != 0, ModelRegistry_UnknownModel(model));
        require(!state.deleted, ModelRegistry_ModelDeleted(model));
        require(_isAdmitted(model, account), ModelRegistry_NotAllowed(model, account));
        BaseId base = state.base;
        address developer = _requireBaseOpen(base);
        MethodState storage terms = _methods[base][method];
        require(terms.active, ModelRegistry_MethodNotOffered(base, method));
        return TrainingQuote({
            developer: developer,
            scheduler: terms.scheduler,
            unitPrice: terms.unitPrice,
            maxUnitsPerSecond: terms.maxUnitsPerSecond,
            holdbackBps: terms.holdbackBps,
            intake: terms.intake,
            trainerDigest: terms.trainerDigest
        });
    }

    // ---------------------------------------------------------------- internals

    /// @dev The owner or whoever is allowed, never the denied.
    function _isAdmitted(ModelId model, address account) private view returns (bool) {
        ModelAccess storage access = _access[model][account];
        return !access.denied && (access.allowed || _ownerOf(model.tokenId()) == account);
    }

    function _requireDeveloper(BaseId base) private view {
        address developer = _bases[base].developer;
        require(developer != address(0), ModelRegistry_UnknownBase(base));
        require(_msgSender() == developer, ModelRegistry_NotDeveloper(_msgSender(), developer));
    }

    function _requireBaseOpen(BaseId base) private view returns (address developer) {
        BaseState storage state = _bases[base];
        developer = state.developer;
        require(developer != address(0), ModelRegistry_UnknownBase(base));
        require(!state.retired, ModelRegistry_BaseRetired(base));
    }

    function _requireProjectOwner(ProjectId project, address caller) private view {
        address owner = _projectOwners[project];
        require(owner != address(0), ModelRegistry_UnknownProject(project));
        require(caller == owner, ModelRegistry_NotOwner(caller, owner));
    }

    function _requireModelOwner(ModelId model) private view returns (address owner) {
        owner = _ownerOf(model.tokenId());
        require(owner != address(0), ModelRegistry_UnknownModel(model));
        require(_msgSender() == owner, ModelRegistry_NotOwner(_msgSender(), owner));
        require(!_models[model].deleted, ModelRegistry_ModelDeleted(model));
    }

    function _isSane(MethodTerms calldata terms) private pure returns (bool) {
        return terms.intake != 0 && terms.intake <= INTAKE_COLLECTION + INTAKE_DIRECT && terms.holdbackBps <= FULL_BPS
            && terms.maxUnitsPerSecond != 0 && terms.scheduler != address(0);
    }

    function _requireUri(string calldata uri) private pure {
        require(bytes(uri).length <= MAX_URI, ModelRegistry_TooLong(bytes(uri).length, MAX_URI));
    }

    function _requireList(address[] calldata list) private pure {
        require(list.length <= MAX_LIST, ModelRegistry_TooLong(list.length, MAX_LIST));
    }

    /// @dev A deleted model stays with its owner.
    function _update(address to, uint256 tokenId, address auth) internal override returns (address) {
        ModelId model = ModelId.wrap(bytes32(tokenId));
        require(!_models[model].deleted, ModelRegistry_ModelDeleted(model));
        return super._update(to, tokenId, auth);
    }

    function _msgSender() internal view override(Context, ERC2771Context) returns (address) {
        return ERC2771Context._msgSender();
    }

    function _msgData() internal view override(Context, ERC2771Context) returns (bytes calldata) {
        return ERC2771Context._msgData();
    }

    function _contextSuffixLength() internal view override(Context, ERC2771Context) returns (uint256) {
        return ERC2771Context._contextSuffixLength();
    }
}
