// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Test} from "forge-std/Test.sol";

import {AccessToken} from "offsetdata/AccessToken.sol";
import {CollectionRegistry} from "offsetdata/CollectionRegistry.sol";
import {Credits} from "offsetdata/Credits.sol";
import {DevToken} from "offsetdata/DevToken.sol";
import {ModelRegistry} from "offsetdata/ModelRegistry.sol";
import {TrainingCoordinator} from "offsetdata/TrainingCoordinator.sol";
import {UsageBilling} from "offsetdata/UsageBilling.sol";
import {AllowListPolicy} from "offsetdata/policies/AllowListPolicy.sol";

/// @notice The deployed contracts that all handlers work on.
struct Stage {
    DevToken token;
    CollectionRegistry collections;
    AccessToken access;
    UsageBilling billing;
    ModelRegistry models;
    TrainingCoordinator coordinator;
    AllowListPolicy list;
}

/// @notice What every handler is made of: four people, of whom each plays every role, draws of chance and steps that
/// have to succeed exactly where the handler's own model of the contract says so. An action takes one seed, so that
/// actions of all handlers are called alike. No action reverts: one that does has found a difference.
abstract contract Handler is Test {
    uint256 internal constant PEOPLE = 4;
    /// No list of things grows beyond this in one run: each check walks all of them.
    uint256 internal constant MOST = 24;

    DevToken internal immutable token;
    CollectionRegistry internal immutable collections;
    AccessToken internal immutable access;
    UsageBilling internal immutable billing;
    ModelRegistry internal immutable models;
    TrainingCoordinator internal immutable coordinator;
    AllowListPolicy internal immutable list;

    Account[PEOPLE] internal people;

    /// How often an action took its step, and how often the step was refused as it had to be.
    mapping(bytes4 action => uint256) public taken;
    mapping(bytes4 action => uint256) public refusals;

    uint256 private _chance;
    uint256 private _acts;

    constructor(Stage memory stage) {
        token = stage.token;
        collections = stage.collections;
        access = stage.access;
        billing = stage.billing;
        models = stage.models;
        coordinator = stage.coordinator;
        list = stage.list;
        for (uint256 i = 0; i < PEOPLE; ++i) {
            people[i] = makeAccount(string.concat("person ", vm.toString(i)));
        }
    }

    // ---------------------------------------------------------------- what the campaign asks

    /// @notice The actions that a campaign calls, each `action(uint256 seed)`.
    function actions() external pure virtual returns (bytes4[] memory);

    /// @notice Their names, in the same order.
    function names() external pure virtual returns (string[] memory);

    /// @notice Reverts where the contract differs from the handler's model of it.
    function check() external view virtual;

    function personAt(uint256 i) external view returns (address) {
        return people[i].addr;
    }

    // ---------------------------------------------------------------- chance

    /// @dev Every action begins with it: other draws for each seed and call, and up to a minute passes.
    modifier drawn(uint256 seed) {
        _chance = uint256(keccak256(abi.encode(seed, ++_acts)));
        vm.warp(block.timestamp + draw(60));
        _;
    }

    /// @dev From 0 to `below` - 1.
    function draw(uint256 below) internal returns (uint256 drawn_) {
        drawn_ = _chance % below;
        _chance = uint256(keccak256(abi.encode(_chance)));
    }

    /// @dev Once in `times`.
    function rarely(uint256 times) internal returns (bool) {
        return draw(times) == 0;
    }

    function somebody() internal returns (Account memory) {
        return people[draw(PEOPLE)];
    }

    /// @dev Somebody other than `not`.
    function somebodyBut(address not) internal returns (Account memory account) {
        uint256 i = draw(PEOPLE);
        account = people[i].addr == not ? people[(i + 1) % PEOPLE] : people[i];
    }

    function personOf(address account) internal view returns (Account memory) {
        for (uint256 i = 0; i < PEOPLE; ++i) {
            if (people[i].addr == account) return people[i];
        }
        revert("nobody of the four");
    }

    // ---------------------------------------------------------------- steps

    /// @dev Calls and demands that the call succeeds exactly where `expected` says so.
    function step(address caller, address target, bytes memory data, bool expected)
        internal
        returns (bytes memory result)
    {
        bool success;
        vm.prank(caller);
        (success, result) = target.call(data);
        if (expected && !success) {
            assembly ("memory-safe") {
                revert(add(result, 0x20), mload(result))
            }
        }
        assertEq(success, expected, "a step was taken that had to be refused");
        if (success) ++taken[msg.sig];
        else ++refusals[msg.sig];
    }

    /// @dev Calls and demands that it is refused for this reason.
    function refused(address caller, address target, bytes memory data, bytes4 reason) internal {
        vm.prank(caller);
        (bool success, bytes memory result) = target.call(data);
        assertFalse(success, "a forbidden step was taken");
        assertEq(bytes4(result), reason, "refused for another reason");
        ++refusals[msg.sig];
    }

    /// @dev Pulls what somebody is owed, or is refused where it is nothing.
    function pull(Credits from, address account) internal returns (uint256 amount) {
        amount = from.creditOf(account);
        uint256 before = token.balanceOf(account);
        step(account, address(from), abi.encodeCall(from.withdraw, (account)), amount != 0);
        assertEq(token.balanceOf(account), before + amount, "what was owed is what is paid");
        assertEq(from.creditOf(account), 0, "nothing is owed after it is paid");
    }

    /// @dev All that a contract owes to the four.
    function creditsOf(Credits from) internal view returns (uint256 sum) {
        for (uint256 i = 0; i < PEOPLE; ++i) {
            sum += from.creditOf(people[i].addr);
        }
    }

    // ---------------------------------------------------------------- signatures and lists

    function signed(Account memory signer, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signer.key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev An ERC-3009 authorization of `from` that only `to` can redeem, until the end of time.
    function authorized(Account memory from, address to, uint256 value, bytes32 nonce)
        internal
        view
        returns (bytes memory)
    {
        bytes32 typehash = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes32 structHash = keccak256(abi.encode(typehash, from.addr, to, value, 0, type(uint256).max, nonce));
        return signed(from, MessageHashUtils.toTypedDataHash(token.DOMAIN_SEPARATOR(), structHash));
    }

    function one(address account) internal pure returns (address[] memory accounts) {
        accounts = new address[](1);
        accounts[0] = account;
    }
}
