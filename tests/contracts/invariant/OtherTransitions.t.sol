// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICollectionRegistry} from "offsetdata/interfaces/ICollectionRegistry.sol";
import {IModelRegistry} from "offsetdata/interfaces/IModelRegistry.sol";
import {IUsageBilling} from "offsetdata/interfaces/IUsageBilling.sol";
import {Signatures} from "offsetdata/libraries/Signatures.sol";
import {SignedVoucher, SpenderAuthorization} from "offsetdata/types/Billing.sol";
import {CollectionTerms} from "offsetdata/types/Collection.sol";
import {CollectionId} from "offsetdata/types/Ids.sol";
import {Visibility} from "offsetdata/types/Model.sol";

import {RegistryBase} from "../unit/ModelRegistry/RegistryBase.t.sol";
import {BillingBase} from "../unit/UsageBilling/BillingBase.t.sol";

/// @notice Every call on a spender key, and on a deposit, in every state.
contract SpenderTransitionsTest is BillingBase {
    bytes4 private constant TAKEN = 0;
    bytes4 private constant KEY = IUsageBilling.UsageBilling_SpenderNotAuthorized.selector;
    bytes4 private constant CAP = IUsageBilling.UsageBilling_CapExceeded.selector;
    bytes4 private constant NONCE = IUsageBilling.UsageBilling_WrongNonce.selector;
    bytes4 private constant SIGNER = Signatures.Signatures_InvalidSignature.selector;
    bytes4 private constant NOT_THAWING = IUsageBilling.UsageBilling_NothingThawing.selector;
    bytes4 private constant THAWING = IUsageBilling.UsageBilling_StillThawing.selector;
    bytes4 private constant TOO_MUCH = IUsageBilling.UsageBilling_ThawOverDeposit.selector;

    function setUp() public override {
        super.setUp();
        approve(reader, FUNDS);
    }

    // ---------------------------------------------------------------- a key: voucher of 100, first and second authorization

    function test_GivenNeverAuthorized() external {
        _key([KEY, TAKEN, NONCE]);
    }

    function test_GivenAuthorized() external {
        authorize(100);
        _key([TAKEN, NONCE, TAKEN]);
    }

    function test_GivenSpent() external {
        authorize(50);
        billing.settle(signed(spender, voucherOf(reader, 1, 50)));
        _key([CAP, NONCE, TAKEN]);
    }

    function test_GivenOver() external {
        authorize(100);
        vm.warp(block.timestamp + 30 minutes);
        _key([KEY, NONCE, TAKEN]);
    }

    function test_GivenRevoked() external {
        authorize(100);
        vm.prank(reader.addr);
        billing.revokeSpender(spender.addr);
        // The second was used up by the revocation, before it landed.
        _key([KEY, NONCE, NONCE]);
    }

    function _key(bytes4[3] memory expected) private {
        SignedVoucher memory item = signed(spender, voucherOf(reader, 0, 100));
        _try(relayer.addr, abi.encodeCall(billing.settle, (item)), expected[0], "voucher");
        for (uint24 nonce = 0; nonce < 2; ++nonce) {
            SpenderAuthorization memory word = authorizationOf(100, nonce);
            bytes memory signature = sign(reader, billing.spenderAuthorizationDigest(word));
            bytes memory data = abi.encodeCall(billing.authorizeSpender, (word, signature));
            _try(relayer.addr, data, expected[1 + nonce], "authorization");
            signature = sign(spender, billing.spenderAuthorizationDigest(word));
            data = abi.encodeCall(billing.authorizeSpender, (word, signature));
            _try(spender.addr, data, expected[1 + nonce] == TAKEN ? SIGNER : NONCE, "authorization by itself");
        }
    }

    // ---------------------------------------------------------------- a deposit: thaw 10, withdraw

    function test_GivenNoDeposit() external {
        _deposited([TOO_MUCH, NOT_THAWING]);
    }

    function test_GivenDeposit() external {
        deposit(reader, 10);
        _deposited([TAKEN, NOT_THAWING]);
    }

    function test_GivenThawing() external {
        deposit(reader, 10);
        _thaw();
        _deposited([TAKEN, THAWING]);
    }

    function test_GivenThawed() external {
        deposit(reader, 10);
        _thaw();
        vm.warp(block.timestamp + 3 days);
        _deposited([TAKEN, TAKEN]);
    }

    function test_GivenWithdrawn() external {
        deposit(reader, 10);
        _thaw();
        vm.warp(block.timestamp + 3 days);
        vm.prank(reader.addr);
        billing.withdrawDeposit(publisher.addr);
        _deposited([TOO_MUCH, NOT_THAWING]);
    }

    function _thaw() private {
        vm.prank(reader.addr);
        billing.thaw(publisher.addr, 10);
    }

    function _deposited(bytes4[2] memory expected) private {
        _try(reader.addr, abi.encodeCall(billing.thaw, (publisher.addr, 10)), expected[0], "thaw");
        _try(reader.addr, abi.encodeCall(billing.withdrawDeposit, (publisher.addr)), expected[1], "withdraw");
    }

    function _try(address caller, bytes memory data, bytes4 expected, string memory name) private {
        uint256 snapshot = vm.snapshotState();
        vm.prank(caller);
        (bool success, bytes memory result) = address(billing).call(data);
        assertEq(success, expected == TAKEN, name);
        if (!success) assertEq(bytes4(result), expected, name);
        vm.revertToState(snapshot);
    }
}

/// @notice Every call on a collection, on a model and on a base in every state, by each who might try.
contract RegistryTransitionsTest is RegistryBase {
    bytes4 private constant TAKEN = 0;
    bytes4 private constant UNKNOWN = ICollectionRegistry.CollectionRegistry_UnknownCollection.selector;
    bytes4 private constant PUBLISHER = ICollectionRegistry.CollectionRegistry_NotPublisher.selector;
    bytes4 private constant SUCCESSOR = ICollectionRegistry.CollectionRegistry_NotSuccessor.selector;
    bytes4 private constant RETIRED = ICollectionRegistry.CollectionRegistry_Retired.selector;
    bytes4 private constant KNOWN = ICollectionRegistry.CollectionRegistry_AlreadyRegistered.selector;
    bytes4 private constant NO_MODEL = IModelRegistry.ModelRegistry_UnknownModel.selector;
    bytes4 private constant OWNER = IModelRegistry.ModelRegistry_NotOwner.selector;
    bytes4 private constant DELETED = IModelRegistry.ModelRegistry_ModelDeleted.selector;
    bytes4 private constant EXISTS = IModelRegistry.ModelRegistry_AlreadyExists.selector;
    bytes4 private constant BASE_RETIRED = IModelRegistry.ModelRegistry_BaseRetired.selector;
    bytes4 private constant METHOD = IModelRegistry.ModelRegistry_MethodNotOffered.selector;

    CollectionTerms private terms_;
    CollectionId private id;

    function setUp() public override {
        super.setUp();
        terms_ = termsOf("transitions");
        id = collections.collectionIdOf(publisher.addr, terms_);
    }

    // ---------------------------------------------------------------- a collection: register, retire, revise, name, accept

    function test_GivenUnknownCollection() external {
        _collection(publisher, [TAKEN, UNKNOWN, UNKNOWN, UNKNOWN, SUCCESSOR]);
        _collection(stranger, [TAKEN, UNKNOWN, UNKNOWN, UNKNOWN, SUCCESSOR]);
    }

    function test_GivenRegistered() external {
        _register();
        _collection(publisher, [KNOWN, TAKEN, TAKEN, TAKEN, SUCCESSOR]);
        _collection(stranger, [TAKEN, PUBLISHER, PUBLISHER, PUBLISHER, SUCCESSOR]);
    }

    function test_GivenSuccessorNamed() external {
        _register();
        _name(stranger.addr);
        _collection(publisher, [KNOWN, TAKEN, TAKEN, TAKEN, SUCCESSOR]);
        _collection(stranger, [TAKEN, PUBLISHER, PUBLISHER, PUBLISHER, TAKEN]);
        _collection(reader, [TAKEN, PUBLISHER, PUBLISHER, PUBLISHER, SUCCESSOR]);
    }

    function test_GivenSuccessorTakenBack() external {
        _register();
        _name(stranger.addr);
        _name(address(0));
        _collection(stranger, [TAKEN, PUBLISHER, PUBLISHER, PUBLISHER, SUCCESSOR]);
    }

    function test_GivenHandedOver() external {
        _register();
        _name(stranger.addr);
        vm.prank(stranger.addr);
        collections.acceptPublisher(id);
        _collection(publisher, [KNOWN, PUBLISHER, PUBLISHER, PUBLISHER, SUCCESSOR]);
        _collection(stranger, [TAKEN, TAKEN, TAKEN, TAKEN, SUCCESSOR]);
    }

    function test_GivenRetiredCollection() external {
        _register();
        vm.prank(publisher.addr);
        collections.retire(id);
        _collection(publisher, [KNOWN, RETIRED, TAKEN, TAKEN, SUCCESSOR]);
        _collection(stranger, [TAKEN, PUBLISHER, PUBLISHER, PUBLISHER, SUCCESSOR]);
    }

    function _register() private {
        vm.prank(publisher.addr);
        collections.register(terms_);
    }

    function _name(address to) private {
        vm.prank(publisher.addr);
        collections.transferPublisher(id, to);
    }

    /// @dev A stranger that registers equal terms gets another id.
    function _collection(Account memory caller, bytes4[5] memory expected) private {
        address target = address(collections);
        _try(target, caller, abi.encodeCall(collections.register, (terms_)), expected[0], "register");
        _try(target, caller, abi.encodeCall(collections.retire, (id)), expected[1], "retire");
        _try(target, caller, abi.encodeCall(collections.reviseMetadata, (id, 0, "")), expected[2], "revise");
        _try(target, caller, abi.encodeCall(collections.transferPublisher, (id, reader.addr)), expected[3], "name");
        _try(target, caller, abi.encodeCall(collections.acceptPublisher, (id)), expected[4], "accept");
    }

    // ---------------------------------------------------------------- a model: request, show, delete, move, quote

    function test_GivenModel() external {
        bytes4 incorrect = bytes4(keccak256("ERC721InsufficientApproval(address,uint256)"));
        _model(user, [EXISTS, TAKEN, TAKEN, TAKEN, TAKEN]);
        _model(reader, [OWNER, OWNER, OWNER, incorrect, TAKEN]);
        _model(stranger, [OWNER, OWNER, OWNER, incorrect, IModelRegistry.ModelRegistry_NotAllowed.selector]);
    }

    function test_GivenTransferred() external {
        uint256 token_ = model.tokenId();
        vm.prank(user.addr);
        models.transferFrom(user.addr, stranger.addr, token_);
        bytes4 incorrect = bytes4(keccak256("ERC721InsufficientApproval(address,uint256)"));
        _model(user, [EXISTS, OWNER, OWNER, incorrect, IModelRegistry.ModelRegistry_NotAllowed.selector]);
        _model(
            stranger, [OWNER, TAKEN, TAKEN, bytes4(keccak256("ERC721IncorrectOwner(address,uint256,address)")), TAKEN]
        );
    }

    function test_GivenDeleted() external {
        vm.prank(user.addr);
        models.deleteModel(model);
        _model(user, [EXISTS, DELETED, DELETED, DELETED, DELETED]);
        _model(reader, [OWNER, OWNER, OWNER, DELETED, DELETED]);
    }

    function test_GivenBaseRetired() external {
        vm.prank(developer.addr);
        models.retireBase(base);
        _model(user, [BASE_RETIRED, TAKEN, TAKEN, TAKEN, BASE_RETIRED]);
        _base([BASE_RETIRED, BASE_RETIRED, TAKEN]);
    }

    function test_GivenMethodWithdrawn() external {
        vm.prank(developer.addr);
        models.withdrawMethod(base, method);
        _model(user, [EXISTS, TAKEN, TAKEN, TAKEN, METHOD]);
        _base([TAKEN, TAKEN, METHOD]);
    }

    function test_GivenBase() external {
        _base([TAKEN, TAKEN, TAKEN]);
    }

    /// @dev The last one asks who of the callers may request training now.
    function _model(Account memory caller, bytes4[5] memory expected) private {
        address target = address(models);
        bytes memory data = abi.encodeCall(
            models.requestModel, (project, base, Visibility.RESTRICTED, only(reader), DIGEST, URI, SALT)
        );
        _try(target, caller, data, expected[0], "request");
        _try(target, caller, abi.encodeCall(models.setVisibility, (model, Visibility.PUBLIC)), expected[1], "show");
        _try(target, caller, abi.encodeCall(models.deleteModel, (model)), expected[2], "delete");
        data = abi.encodeCall(models.transferFrom, (user.addr, relayer.addr, model.tokenId()));
        _try(target, caller, data, expected[3], "move");
        _try(target, caller, abi.encodeCall(models.quote, (model, method, caller.addr)), expected[4], "quote");
    }

    function _base(bytes4[3] memory expected) private {
        address target = address(models);
        bytes memory data = abi.encodeCall(models.offerMethod, (base, "classify", terms()));
        _try(target, developer, data, expected[0], "offer");
        _try(target, developer, abi.encodeCall(models.retireBase, (base)), expected[1], "retire");
        _try(target, developer, abi.encodeCall(models.withdrawMethod, (base, method)), expected[2], "withdraw");
    }

    function _try(address target, Account memory caller, bytes memory data, bytes4 expected, string memory name)
        private
    {
        uint256 snapshot = vm.snapshotState();
        vm.prank(caller.addr);
        (bool success, bytes memory result) = target.call(data);
        assertEq(success, expected == TAKEN, name);
        if (!success) assertEq(bytes4(result), expected, name);
        vm.revertToState(snapshot);
    }
}
