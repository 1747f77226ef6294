// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {console} from "forge-std/console.sol";

import {AllowListPolicy} from "offsetdata/policies/AllowListPolicy.sol";

import {Base} from "../Base.t.sol";
import {AccessHandler} from "./AccessHandler.sol";
import {BillingHandler} from "./BillingHandler.sol";
import {ClockHandler} from "./ClockHandler.sol";
import {CollectionHandler} from "./CollectionHandler.sol";
import {Handler, Stage} from "./Handler.sol";
import {ModelHandler} from "./ModelHandler.sol";
import {TrainingHandler} from "./TrainingHandler.sol";

/// @notice All five contracts with a handler each, and what holds of them. README.md says it in words.
abstract contract InvariantsBase is Base {
    CollectionHandler internal collectionHandler;
    AccessHandler internal accessHandler;
    BillingHandler internal billingHandler;
    ModelHandler internal modelHandler;
    TrainingHandler internal trainingHandler;
    Handler[] internal handlers;
    uint256 internal supply;

    function setUp() public override {
        super.setUp();
        AllowListPolicy list = new AllowListPolicy(collections, address(forwarder));
        Stage memory stage = Stage(token, collections, access, billing, models, coordinator, list);
        for (uint256 i = 0; i < 4; ++i) {
            funded(string.concat("person ", vm.toString(i)));
        }
        collectionHandler = new CollectionHandler(stage);
        accessHandler = new AccessHandler(stage, collectionHandler);
        billingHandler = new BillingHandler(stage, collectionHandler);
        modelHandler = new ModelHandler(stage);
        trainingHandler = new TrainingHandler(stage, collectionHandler, modelHandler);
        trainingHandler.prepare();
        handlers = [Handler(collectionHandler), accessHandler, billingHandler, modelHandler, trainingHandler];
        handlers.push(new ClockHandler(stage));
        for (uint256 i = 0; i < handlers.length; ++i) {
            bytes4[] memory actions = handlers[i].actions();
            if (_isTarget(handlers[i])) {
                targetContract(address(handlers[i]));
                targetSelector(FuzzSelector(address(handlers[i]), actions));
            }
        }
        supply = token.totalSupply();
    }

    /// @notice One function asks for all that has to hold, as each of several would run all calls anew.
    function invariant_ContractsAreAsTheHandlersKnowThem() external view {
        _check();
    }

    /// @notice No fund is locked past its last window: at the end of every run everything leaves.
    function afterInvariant() external {
        _drain();
    }

    function _check() internal view {
        for (uint256 i = 0; i < handlers.length; ++i) {
            handlers[i].check();
        }
        uint256 sum = token.balanceOf(address(access)) + token.balanceOf(address(billing))
            + token.balanceOf(address(coordinator)) + _withPeople();
        assertEq(sum, supply, "money is conserved to the wei over all contracts");
        assertEq(token.balanceOf(address(collections)) + token.balanceOf(address(models)), 0, "registries hold none");
    }

    function _drain() internal {
        vm.warp(block.timestamp + 4 days);
        accessHandler.drain();
        trainingHandler.drain();
        uint256 dust = billingHandler.drain();
        assertEq(token.balanceOf(address(access)), 0, "AccessToken is empty after the last refund window");
        assertEq(token.balanceOf(address(coordinator)), 0, "TrainingCoordinator is empty after the last window");
        assertEq(token.balanceOf(address(billing)), dust, "UsageBilling keeps the dust of its pools alone");
        assertEq(_withPeople() + dust, supply, "people have all the rest");
        trainingHandler.check();
    }

    /// @dev What all funded accounts have outside of the contracts.
    function _withPeople() internal view returns (uint256 sum) {
        sum = 9 * FUNDS;
        for (uint256 i = 0; i < 4; ++i) {
            sum += token.balanceOf(handlers[0].personAt(i));
        }
    }

    function _isTarget(Handler handler) internal view virtual returns (bool);
}

/// @notice Whatever people do in whatever order.
contract InvariantsTest is InvariantsBase {
    struct Action {
        address handler;
        bytes4 selector;
    }

    uint256 private constant STEPS = 2400;

    Action[] private walk;

    function _isTarget(Handler) internal pure override returns (bool) {
        return true;
    }

    /// @notice A walk of fixed seeds takes each step at least once and is refused where that can be, so that the
    /// campaigns are known to reach what they claim.
    function test_EveryActionIsTaken() external {
        // Longer than the gas of a block allows.
        vm.pauseGasMetering();
        for (uint256 i = 0; i < handlers.length; ++i) {
            _push(handlers[i]);
        }
        // The life of a request has the most steps, one after the other.
        _push(trainingHandler);
        _push(trainingHandler);
        for (uint256 n = 0; n < STEPS; ++n) {
            uint256 seed = uint256(keccak256(abi.encode("walk", n)));
            _act(walk[seed % walk.length], seed);
            if (n % 64 == 0) _check();
        }
        _summary();
        _drain();
    }

    function _act(Action memory action, uint256 seed) private {
        (bool success, bytes memory reason) = action.handler.call(abi.encodeWithSelector(action.selector, seed));
        if (success) return;
        assembly ("memory-safe") {
            revert(add(reason, 0x20), mload(reason))
        }
    }

    function _push(Handler handler) private {
        bytes4[] memory actions = handler.actions();
        for (uint256 i = 0; i < actions.length; ++i) {
            walk.push(Action(address(handler), actions[i]));
        }
    }

    /// @dev How often each action was taken and refused; none may never be taken.
    function _summary() private view {
        for (uint256 i = 0; i < handlers.length; ++i) {
            bytes4[] memory actions = handlers[i].actions();
            string[] memory names = handlers[i].names();
            for (uint256 j = 0; j < actions.length; ++j) {
                uint256 taken = handlers[i].taken(actions[j]);
                console.log(names[j], taken, handlers[i].refusals(actions[j]));
                assertGt(taken, 0, names[j]);
            }
        }
    }
}

/// @notice The same with requests and time alone, so that runs get deep into the life of a request.
contract RequestInvariantsTest is InvariantsBase {
    function _isTarget(Handler handler) internal view override returns (bool) {
        return address(handler) == address(trainingHandler) || address(handler) == address(handlers[5]);
    }
}
