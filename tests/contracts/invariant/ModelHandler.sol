// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistry} from "offsetdata/interfaces/IModelRegistry.sol";
import {BaseId, MethodId, ModelId, ProjectId} from "offsetdata/types/Ids.sol";
import {MethodState, MethodTerms, ModelState, Visibility} from "offsetdata/types/Model.sol";

import {Handler, Stage} from "./Handler.sol";

/// @notice Developers offer bases, users have models of them. It knows who owns, may use and may train each model, and
/// which bases and methods are open.
contract ModelHandler is Handler {
    struct KnownBase {
        BaseId id;
        address developer;
        bool retired;
        bool offered;
        MethodTerms terms;
    }

    struct KnownModel {
        ModelId id;
        uint256 base;
        address owner;
        Visibility visibility;
        bool deleted;
    }

    string private constant METHOD = "classify";

    Account public scheduler;
    MethodId public immutable method = MethodId.wrap(keccak256(bytes(METHOD)));

    KnownBase[] private _bases;
    KnownModel[] private _known;
    mapping(address owner => ProjectId) private _projects;
    mapping(uint256 model => mapping(address account => bool)) private _allowed;
    mapping(uint256 model => mapping(address account => bool)) private _denied;

    constructor(Stage memory stage) Handler(stage) {
        scheduler = makeAccount("scheduler");
        for (uint256 i = 0; i < PEOPLE; ++i) {
            vm.prank(people[i].addr);
            _projects[people[i].addr] = models.createProject(0, "", bytes32(i));
        }
        for (uint256 i = 0; i < 2; ++i) {
            _publish(people[3].addr);
            _offer(i, MethodTerms(50, 1000, 2000, 3, scheduler.addr, keccak256("trainer"), 0));
            _request(people[2 + i].addr, 0, Visibility.RESTRICTED);
        }
    }

    // ---------------------------------------------------------------- the developer's actions

    function publishBase(uint256 seed) external drawn(seed) {
        if (_bases.length == MOST / 4) return;
        _publish(somebody().addr);
        ++taken[msg.sig];
    }

    function offerMethod(uint256 seed) external drawn(seed) {
        KnownBase memory base = _bases[draw(_bases.length)];
        MethodTerms memory terms = MethodTerms({
            unitPrice: uint128(draw(100)),
            maxUnitsPerSecond: uint64(1 + draw(2000)),
            holdbackBps: uint16(draw(10_001)),
            intake: 3,
            scheduler: scheduler.addr,
            trainerDigest: bytes32(draw(3)),
            schemaDigest: 0
        });
        bytes memory data = abi.encodeCall(models.offerMethod, (base.id, METHOD, terms));
        step(base.developer, address(models), data, !base.retired);
        if (!base.retired) _note(base.id, terms);
    }

    function withdrawMethod(uint256 seed) external drawn(seed) {
        KnownBase storage base = _bases[draw(_bases.length)];
        if (base.offered && !rarely(10)) return;
        bytes memory data = abi.encodeCall(models.withdrawMethod, (base.id, method));
        step(base.developer, address(models), data, base.offered);
        base.offered = false;
    }

    function retireBase(uint256 seed) external drawn(seed) {
        KnownBase storage base = _bases[draw(_bases.length)];
        if (!base.retired && !rarely(30)) return;
        step(base.developer, address(models), abi.encodeCall(models.retireBase, (base.id)), !base.retired);
        base.retired = true;
    }

    // ---------------------------------------------------------------- the owner's actions

    function requestModel(uint256 seed) external drawn(seed) {
        uint256 i = draw(_bases.length);
        if (_known.length == MOST) return;
        if (_bases[i].retired) {
            address owner = somebody().addr;
            bytes memory data = abi.encodeCall(
                models.requestModel, (_projects[owner], _bases[i].id, Visibility.PUBLIC, one(owner), 0, "", 0)
            );
            return refused(owner, address(models), data, IModelRegistry.ModelRegistry_BaseRetired.selector);
        }
        _request(somebody().addr, i, rarely(2) ? Visibility.PUBLIC : Visibility.RESTRICTED);
        ++taken[msg.sig];
    }

    function setVisibility(uint256 seed) external drawn(seed) {
        KnownModel storage known = _known[draw(_known.length)];
        Visibility visibility = rarely(2) ? Visibility.PUBLIC : Visibility.RESTRICTED;
        bytes memory data = abi.encodeCall(models.setVisibility, (known.id, visibility));
        step(known.owner, address(models), data, !known.deleted);
        if (!known.deleted) known.visibility = visibility;
    }

    function allow(uint256 seed) external drawn(seed) {
        uint256 i = draw(_known.length);
        (address account, bool allowed) = (somebody().addr, !rarely(3));
        bytes memory data = abi.encodeCall(models.setAllowed, (_known[i].id, one(account), allowed));
        step(_known[i].owner, address(models), data, !_known[i].deleted);
        if (!_known[i].deleted) _allowed[i][account] = allowed;
    }

    function denyUse(uint256 seed) external drawn(seed) {
        uint256 i = draw(_known.length);
        (address account, bool denied) = (somebody().addr, rarely(4));
        bytes memory data = abi.encodeCall(models.setDenied, (_known[i].id, one(account), denied));
        step(_known[i].owner, address(models), data, !_known[i].deleted);
        if (!_known[i].deleted) _denied[i][account] = denied;
    }

    /// @notice A model changes hands, requests of it open or not, or somebody tries to take it.
    function transfer(uint256 seed) external drawn(seed) {
        KnownModel storage known = _known[draw(_known.length)];
        address caller = rarely(3) ? somebody().addr : known.owner;
        address to = somebody().addr;
        bytes memory data = abi.encodeCall(models.transferFrom, (known.owner, to, known.id.tokenId()));
        bool expected = caller == known.owner && !known.deleted;
        step(caller, address(models), data, expected);
        if (expected) known.owner = to;
    }

    function deleteModel(uint256 seed) external drawn(seed) {
        KnownModel storage known = _known[draw(_known.length)];
        if (!known.deleted && !rarely(20)) return;
        step(known.owner, address(models), abi.encodeCall(models.deleteModel, (known.id)), !known.deleted);
        known.deleted = true;
    }

    // ---------------------------------------------------------------- what is known

    function check() external view override {
        for (uint256 i = 0; i < _bases.length; ++i) {
            KnownBase memory base = _bases[i];
            assertEq(models.developerOf(base.id), base.developer, "a base keeps its developer");
            assertEq(models.isRetired(base.id), base.retired, "a retired base stays retired");
            MethodState memory state = models.methodOf(base.id, method);
            assertEq(state.active, base.offered, "a method is offered by its developer only");
            assertEq(state.unitPrice, base.terms.unitPrice, "its price is the last one offered");
            assertEq(state.trainerDigest, base.terms.trainerDigest, "so is its trainer");
        }
        for (uint256 i = 0; i < _known.length; ++i) {
            KnownModel memory known = _known[i];
            ModelState memory state = models.modelOf(known.id);
            assertEq(models.ownerOf(known.id.tokenId()), known.owner, "a model moves by its owner only");
            assertTrue(state.base == _bases[known.base].id, "a model keeps its base");
            assertEq(state.deleted, known.deleted, "a deleted model stays deleted");
            for (uint256 j = 0; j < PEOPLE; ++j) {
                address account = people[j].addr;
                bool trains = mayTrain(i, account);
                bool open = known.visibility == Visibility.PUBLIC && !known.deleted && !_denied[i][account];
                assertEq(models.canTrain(known.id, account), trains, "who is denied does not train");
                assertEq(models.canUse(known.id, account), trains || open, "who is denied does not use");
            }
        }
    }

    function count() external view returns (uint256) {
        return _known.length;
    }

    function knownAt(uint256 i) external view returns (KnownModel memory) {
        return _known[i];
    }

    function baseOf(uint256 i) external view returns (KnownBase memory) {
        return _bases[_known[i].base];
    }

    function mayTrain(uint256 i, address account) public view returns (bool) {
        KnownModel storage known = _known[i];
        return !known.deleted && !_denied[i][account] && (_allowed[i][account] || known.owner == account);
    }

    function actions() external pure override returns (bytes4[] memory list_) {
        list_ = new bytes4[](10);
        (list_[0], list_[1]) = (this.publishBase.selector, this.offerMethod.selector);
        (list_[2], list_[3]) = (this.withdrawMethod.selector, this.retireBase.selector);
        (list_[4], list_[5]) = (this.requestModel.selector, this.setVisibility.selector);
        (list_[6], list_[7]) = (this.allow.selector, this.denyUse.selector);
        (list_[8], list_[9]) = (this.transfer.selector, this.deleteModel.selector);
    }

    function names() external pure override returns (string[] memory list_) {
        list_ = new string[](10);
        (list_[0], list_[1], list_[2], list_[3]) = ("publishBase", "offerMethod", "withdrawMethod", "retireBase");
        (list_[4], list_[5], list_[6], list_[7]) = ("requestModel", "setVisibility", "allow", "denyUse");
        (list_[8], list_[9]) = ("transfer", "deleteModel");
    }

    // ---------------------------------------------------------------- internals

    function _publish(address developer) private {
        vm.prank(developer);
        BaseId id = models.publishBase(0, "ipfs://base", bytes32(_bases.length));
        _bases.push();
        (_bases[_bases.length - 1].id, _bases[_bases.length - 1].developer) = (id, developer);
    }

    function _offer(uint256 i, MethodTerms memory terms) private {
        vm.prank(_bases[i].developer);
        models.offerMethod(_bases[i].id, METHOD, terms);
        _note(_bases[i].id, terms);
    }

    function _note(BaseId id, MethodTerms memory terms) private {
        for (uint256 i = 0; i < _bases.length; ++i) {
            if (_bases[i].id != id) continue;
            (_bases[i].offered, _bases[i].terms) = (true, terms);
        }
    }

    function _request(address owner, uint256 base, Visibility visibility) private {
        vm.prank(owner);
        ModelId id = models.requestModel(
            _projects[owner], _bases[base].id, visibility, new address[](0), 0, "", bytes32(_known.length)
        );
        _known.push(KnownModel(id, base, owner, visibility, false));
    }
}
