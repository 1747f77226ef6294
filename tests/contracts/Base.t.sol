// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {ERC2771Forwarder} from "@openzeppelin/contracts/metatx/ERC2771Forwarder.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Test} from "forge-std/Test.sol";

import {AccessToken} from "offsetdata/AccessToken.sol";
import {CollectionRegistry} from "offsetdata/CollectionRegistry.sol";
import {DevToken} from "offsetdata/DevToken.sol";
import {ModelRegistry} from "offsetdata/ModelRegistry.sol";
import {TrainingCoordinator} from "offsetdata/TrainingCoordinator.sol";
import {UsageBilling} from "offsetdata/UsageBilling.sol";
import {CollectionTerms} from "offsetdata/types/Collection.sol";
import {CollectionId} from "offsetdata/types/Ids.sol";

/// @notice What every contract test starts from: all contracts, funded accounts and EIP-712 signing.
abstract contract Base is Test {
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    uint256 private constant SECP256K1_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    /// One million dollars.
    uint256 internal constant FUNDS = 1e6 * 1e6;

    DevToken internal token;
    ERC2771Forwarder internal forwarder;
    CollectionRegistry internal collections;
    AccessToken internal access;
    UsageBilling internal billing;
    ModelRegistry internal models;
    TrainingCoordinator internal coordinator;

    Account internal publisher;
    Account internal contributor;
    Account internal reader;
    Account internal developer;
    Account internal user;
    Account internal worker;
    Account internal scheduler;
    Account internal relayer;
    Account internal stranger;

    function setUp() public virtual {
        // A time and a block that are not zero, so that "never" differs from "now".
        vm.warp(1_800_000_000);
        vm.roll(1000);
        token = newToken();
        forwarder = new ERC2771Forwarder("Offsetdata Forwarder");
        collections = new CollectionRegistry(address(forwarder));
        access = new AccessToken(token, collections, address(forwarder));
        billing = new UsageBilling(token, collections, address(forwarder));
        models = new ModelRegistry(address(forwarder));
        coordinator = new TrainingCoordinator(token, collections, access, models, address(forwarder));
        publisher = funded("publisher");
        contributor = funded("contributor");
        reader = funded("reader");
        developer = funded("developer");
        user = funded("user");
        worker = funded("worker");
        scheduler = funded("scheduler");
        relayer = funded("relayer");
        stranger = funded("stranger");
    }

    /// @dev The settlement token; a test of unreliable ones brings its own.
    function newToken() internal virtual returns (DevToken) {
        return new DevToken();
    }

    /// @dev An account with a key, `FUNDS` of the token and some native money.
    function funded(string memory name) internal returns (Account memory account) {
        account = makeAccount(name);
        token.mint(account.addr, FUNDS);
        vm.deal(account.addr, 100 ether);
    }

    /// @dev Terms of a collection of a thousand records, with made-up digests.
    function termsOf(bytes32 salt) internal pure returns (CollectionTerms memory) {
        return CollectionTerms({
            contentRoot: keccak256("content"),
            recordCount: 1000,
            manifestDigest: keccak256("manifest"),
            previous: CollectionId.wrap(0),
            policyDigest: keccak256("policy"),
            sharesRoot: 0,
            salt: salt
        });
    }

    /// @dev Registers such a collection for the publisher.
    function registerCollection(bytes32 salt) internal returns (CollectionId) {
        vm.prank(publisher.addr);
        return collections.register(termsOf(salt));
    }

    /// @dev EIP-712 digest of a struct in the domain that `verifier` tells of itself (ERC-5267).
    function digestOf(address verifier, bytes32 structHash) internal view returns (bytes32) {
        (, string memory name, string memory version, uint256 chainId, address contract_,,) =
            IERC5267(verifier).eip712Domain();
        return digestIn(name, version, chainId, contract_, structHash);
    }

    /// @dev EIP-712 digest of a struct in a domain that is given part by part.
    function digestIn(string memory name, string memory version, uint256 chainId, address verifier, bytes32 structHash)
        internal
        pure
        returns (bytes32)
    {
        bytes32 domain = keccak256(
            abi.encode(DOMAIN_TYPEHASH, keccak256(bytes(name)), keccak256(bytes(version)), chainId, verifier)
        );
        return MessageHashUtils.toTypedDataHash(domain, structHash);
    }

    /// @dev 65-byte signature over a digest.
    function sign(Account memory signer, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signer.key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev 65-byte signature over a struct in the domain of `verifier`.
    function sign(Account memory signer, address verifier, bytes32 structHash) internal view returns (bytes memory) {
        return sign(signer, digestOf(verifier, structHash));
    }

    /// @dev The other form of a signature, with s in the upper half of the order.
    function malleable(bytes memory signature) internal pure returns (bytes memory, bytes32) {
        bytes32 r;
        uint256 s;
        uint8 v;
        assembly {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
            v := byte(0, mload(add(signature, 0x60)))
        }
        bytes32 high = bytes32(SECP256K1_N - s);
        return (abi.encodePacked(r, high, v == 27 ? uint8(28) : uint8(27)), high);
    }

    /// @dev An ERC-2612 permit of `owner` for `spender`.
    function signPermit(Account memory owner, address spender, uint256 value, uint256 deadline)
        internal
        view
        returns (uint8 v, bytes32 r, bytes32 s)
    {
        bytes32 typehash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 structHash =
            keccak256(abi.encode(typehash, owner.addr, spender, value, token.nonces(owner.addr), deadline));
        return vm.sign(owner.key, digestOf(address(token), structHash));
    }

    /// @dev An ERC-3009 authorization of `from` that only `to` can redeem.
    function signReceive(
        Account memory from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce
    ) internal view returns (bytes memory) {
        bytes32 typehash = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes32 structHash = keccak256(abi.encode(typehash, from.addr, to, value, validAfter, validBefore, nonce));
        return sign(from, address(token), structHash);
    }

    /// @dev Sends `data` to `target` as `from` through the forwarder; the relayer pays the gas.
    function forward(Account memory from, address target, bytes memory data) internal {
        uint48 deadline = uint48(block.timestamp + 1 hours);
        uint256 gasLimit = 2_000_000;
        bytes32 typehash = keccak256(
            "ForwardRequest(address from,address to,uint256 value,uint256 gas,uint256 nonce,uint48 deadline,bytes data)"
        );
        bytes32 structHash = keccak256(
            abi.encode(typehash, from.addr, target, 0, gasLimit, forwarder.nonces(from.addr), deadline, keccak256(data))
        );
        ERC2771Forwarder.ForwardRequestData memory request = ERC2771Forwarder.ForwardRequestData({
            from: from.addr,
            to: target,
            value: 0,
            gas: gasLimit,
            deadline: deadline,
            data: data,
            signature: sign(from, address(forwarder), structHash)
        });
        vm.prank(relayer.addr);
        forwarder.execute(request);
    }
}
