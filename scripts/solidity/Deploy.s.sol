// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Script, console} from "forge-std/Script.sol";

/// @notice One contract of a deployment.
struct Part {
    /// Its field in the file.
    string field;
    /// Contract's name; empty for a token that is there already.
    string name;
    address account;
    bytes initCode;
}

/// @title Deploy
/// @notice Deploys what is not there yet through the CREATE2 deployer and writes protocol/deployments/<chain id>.json.
/// Addresses depend on the code and the token alone, so that everyone knows them beforehand and anyone may deploy. The
/// code is that of the optimized profile, which has to be built before: scripts/deploy does both.
/// Without OFFSETDATA_TOKEN the settlement token is DevToken, on the development chain only.
contract Deploy is Script {
    /// @notice Thrown when a chain with money has no settlement token named.
    error Deploy_TokenNotNamed(uint256 chainId);

    /// @notice Thrown when there is no code where the CREATE2 deployer or the settlement token should be.
    error Deploy_NoCode(address account);

    /// @notice Thrown when the CREATE2 deployer did not put code where it should.
    error Deploy_Failed(address expected);

    string private constant VERSION = "0.1.0";
    bytes32 private constant SALT = "offsetdata 0.1.0";
    uint256 private constant DEV_CHAIN = 31337;

    /// @notice Deploys what is missing and writes the file.
    function run() external {
        address token = vm.envOr("OFFSETDATA_TOKEN", address(0));
        require(token != address(0) || block.chainid == DEV_CHAIN, Deploy_TokenNotNamed(block.chainid));
        require(CREATE2_FACTORY.code.length != 0, Deploy_NoCode(CREATE2_FACTORY));
        require(token == address(0) || token.code.length != 0, Deploy_NoCode(token));

        Part[] memory parts = plan(token);
        bool complete = true;
        for (uint256 i = 0; i < parts.length; ++i) {
            if (parts[i].account.code.length != 0) continue;
            complete = false;
            vm.broadcast();
            (bool success,) = CREATE2_FACTORY.call(bytes.concat(SALT, parts[i].initCode));
            require(success && parts[i].account.code.length != 0, Deploy_Failed(parts[i].account));
            console.log("deployed", parts[i].name, parts[i].account);
        }

        string memory path = string.concat("protocol/deployments/", vm.toString(block.chainid), ".json");
        // The development chain begins with us. Elsewhere no event of ours is older than this block, and what was
        // complete before keeps the block that it is known with.
        if (block.chainid != DEV_CHAIN && complete && vm.exists(path)) return;
        string memory text = json(parts, block.chainid, block.chainid == DEV_CHAIN ? 0 : block.number);
        if (vm.exists(path) && keccak256(bytes(vm.readFile(path))) == keccak256(bytes(text))) return;
        vm.writeFile(path, text);
        console.log("written", path);
    }

    /// @notice What the file of the development chain has to say. Needs no chain.
    function predict() external view returns (string memory) {
        return json(plan(address(0)), DEV_CHAIN, 0);
    }

    /// @notice What a deployment with this settlement token consists of, in order. Zero: with DevToken.
    function plan(address token) public view returns (Part[] memory parts) {
        parts = new Part[](7);
        parts[0] = token == address(0) ? part("token", "DevToken", "") : Part("token", "", token, "");
        token = parts[0].account;
        parts[1] = part("forwarder", "ERC2771Forwarder", abi.encode("Offsetdata Forwarder"));
        address forwarder = parts[1].account;
        parts[2] = part("collectionRegistry", "CollectionRegistry", abi.encode(forwarder));
        address collections = parts[2].account;
        parts[3] = part("accessToken", "AccessToken", abi.encode(token, collections, forwarder));
        parts[4] = part("usageBilling", "UsageBilling", abi.encode(token, collections, forwarder));
        parts[5] = part("modelRegistry", "ModelRegistry", abi.encode(forwarder));
        parts[6] = part(
            "trainingCoordinator",
            "TrainingCoordinator",
            abi.encode(token, collections, parts[3].account, parts[5].account, forwarder)
        );
    }

    function part(string memory field, string memory name, bytes memory arguments) private view returns (Part memory) {
        bytes memory code = vm.getCode(string.concat("out/optimized/", name, ".sol/", name, ".json"));
        bytes memory initCode = bytes.concat(code, arguments);
        return Part(field, name, vm.computeCreate2Address(SALT, keccak256(initCode), CREATE2_FACTORY), initCode);
    }

    /// @dev Written out, so that the file has one form whoever writes it.
    function json(Part[] memory parts, uint256 chainId, uint256 startBlock) private pure returns (string memory text) {
        text = string.concat('{\n  "chainId": ', vm.toString(chainId), ',\n  "startBlock": ', vm.toString(startBlock));
        text = string.concat(text, ',\n  "version": "', VERSION, '"');
        for (uint256 i = 0; i < parts.length; ++i) {
            text = string.concat(text, ',\n  "', parts[i].field, '": "', vm.toString(parts[i].account), '"');
        }
        text = string.concat(text, "\n}\n");
    }
}
