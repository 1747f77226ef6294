// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {ERC2771Forwarder} from "@openzeppelin/contracts/metatx/ERC2771Forwarder.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {console} from "forge-std/Script.sol";

import {DevToken} from "offsetdata/DevToken.sol";
import {IAccessToken} from "offsetdata/interfaces/IAccessToken.sol";
import {ICollectionRegistry} from "offsetdata/interfaces/ICollectionRegistry.sol";
import {IModelRegistry} from "offsetdata/interfaces/IModelRegistry.sol";
import {ITrainingCoordinator} from "offsetdata/interfaces/ITrainingCoordinator.sol";
import {IUsageBilling} from "offsetdata/interfaces/IUsageBilling.sol";

import {Deploy, Part} from "../Deploy.s.sol";
import {Crowd} from "./Crowd.sol";

/// @notice What the cases of the gas benchmark share: a fresh deployment on anvil, its funded accounts, signing, and
/// sending a transaction whose gas scripts/bench.d/gas reads from the receipt.
abstract contract GasBase is Deploy {
    /// @notice Thrown when a transaction fails.
    error Gas_CallFailed(string what, bytes reason);

    string private constant MNEMONIC = "test test test test test test test test test test test junk";
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    /// What accounts get, and what they allow the contracts: not everything, so that allowances are written.
    uint256 internal constant FUNDS = 1e9 * 1e6;

    DevToken internal token;
    ERC2771Forwarder internal forwarder;
    ICollectionRegistry internal collections;
    IAccessToken internal access;
    IUsageBilling internal billing;
    IModelRegistry internal models;
    ITrainingCoordinator internal coordinator;
    Crowd internal crowd;

    Account internal operator;
    Account internal publisher;
    Account internal reader;
    Account internal developer;
    Account internal user;
    Account internal worker;
    Account internal scheduler;
    Account internal relayer;
    Account internal guest;
    Account internal spender;

    uint256 private _sent;
    address[] private _targets;
    bytes[] private _calls;

    // ---------------------------------------------------------------- set up

    function prepare() internal {
        Account[10] memory all;
        for (uint32 i = 0; i < 10; ++i) {
            uint256 key = vm.deriveKey(MNEMONIC, i);
            all[i] = Account(vm.addr(key), key);
        }
        (operator, publisher, reader, developer, user) = (all[0], all[1], all[2], all[3], all[4]);
        (worker, scheduler, relayer, guest, spender) = (all[5], all[6], all[7], all[8], all[9]);

        Part[] memory parts = plan(address(0));
        for (uint256 i = 0; i < parts.length; ++i) {
            send(operator, "", CREATE2_FACTORY, bytes.concat("offsetdata 0.1.0", bytes16(0), parts[i].initCode));
        }
        token = DevToken(parts[0].account);
        forwarder = ERC2771Forwarder(parts[1].account);
        collections = ICollectionRegistry(parts[2].account);
        access = IAccessToken(parts[3].account);
        billing = IUsageBilling(parts[4].account);
        models = IModelRegistry(parts[5].account);
        coordinator = ITrainingCoordinator(parts[6].account);
        vm.broadcast(operator.key);
        crowd = new Crowd();
        ++_sent;

        for (uint256 i = 0; i < 10; ++i) {
            queue(address(token), abi.encodeCall(token.mint, (all[i].addr, FUNDS)));
        }
        queue(address(token), abi.encodeCall(token.mint, (address(crowd), FUNDS)));
        queue(address(token), abi.encodeCall(token.approve, (address(coordinator), FUNDS)));
        flush();
    }

    // ---------------------------------------------------------------- send

    /// @dev Sends a transaction of its own. With a name it is measured.
    function send(Account memory from, string memory name, address to, bytes memory data) internal {
        vm.broadcast(from.key);
        (bool success, bytes memory reason) = to.call(data);
        require(success, Gas_CallFailed(name, reason));
        if (bytes(name).length != 0) console.log("measured", _sent, name);
        ++_sent;
    }

    /// @dev Puts a call that is not measured beside others into the crowd's next transaction.
    function queue(address to, bytes memory data) internal {
        _targets.push(to);
        _calls.push(data);
    }

    function flush() internal {
        send(operator, "", address(crowd), abi.encodeCall(crowd.run, (_targets, _calls)));
        delete _targets;
        delete _calls;
    }

    function approve(Account memory owner, address to) internal {
        send(owner, "", address(token), abi.encodeCall(token.approve, (to, FUNDS)));
    }

    // ---------------------------------------------------------------- sign

    function sign(Account memory signer, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signer.key, digest);
        return abi.encodePacked(r, s, v);
    }

    function digestOf(address verifier, bytes32 structHash) internal view returns (bytes32) {
        (, string memory name, string memory version, uint256 chainId, address contract_,,) =
            IERC5267(verifier).eip712Domain();
        bytes32 domain = keccak256(
            abi.encode(DOMAIN_TYPEHASH, keccak256(bytes(name)), keccak256(bytes(version)), chainId, contract_)
        );
        return MessageHashUtils.toTypedDataHash(domain, structHash);
    }

    function permitOf(Account memory owner, address to, uint256 value)
        internal
        view
        returns (uint256 deadline, uint8 v, bytes32 r, bytes32 s)
    {
        bytes32 typehash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        deadline = block.timestamp + 1 hours;
        bytes32 structHash = keccak256(abi.encode(typehash, owner.addr, to, value, token.nonces(owner.addr), deadline));
        (v, r, s) = vm.sign(owner.key, digestOf(address(token), structHash));
    }

    /// @dev Lands a permit among the calls of the crowd.
    function queuePermit(Account memory owner, address to, uint256 value) internal {
        (uint256 deadline, uint8 v, bytes32 r, bytes32 s) = permitOf(owner, to, value);
        queue(address(token), abi.encodeCall(token.permit, (owner.addr, to, value, deadline, v, r, s)));
    }

    /// @dev Sends the first call of an account without ETH through the forwarder, among the calls of the crowd.
    function queueForward(Account memory from, address to, bytes memory data) internal {
        bytes32 typehash = keccak256(
            "ForwardRequest(address from,address to,uint256 value,uint256 gas,uint256 nonce,uint48 deadline,bytes data)"
        );
        uint48 deadline = uint48(block.timestamp + 1 hours);
        bytes memory fields = abi.encode(typehash, from.addr, to, 0, 200_000, 0, deadline, keccak256(data));
        bytes memory signature = sign(from, digestOf(address(forwarder), keccak256(fields)));
        queue(
            address(forwarder),
            abi.encodeCall(
                forwarder.execute,
                (ERC2771Forwarder.ForwardRequestData(from.addr, to, 0, 200_000, deadline, data, signature))
            )
        );
    }
}
