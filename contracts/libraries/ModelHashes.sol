// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BaseId, MethodId, ModelId, ProjectId} from "../types/Ids.sol";

/// @title ModelHashes
/// @notice How bases, methods, projects and models get their ids: hash over type, chain id, registry, creator, terms
/// and salt, so that a client knows an id before sending and nobody else can take it.
library ModelHashes {
    bytes32 internal constant BASE_TYPEHASH =
        keccak256("Base(uint256 chainId,address registry,address developer,bytes32 metadataDigest,bytes32 salt)");
    bytes32 internal constant PROJECT_TYPEHASH =
        keccak256("Project(uint256 chainId,address registry,address owner,bytes32 metadataDigest,bytes32 salt)");
    bytes32 internal constant MODEL_TYPEHASH =
        keccak256("Model(uint256 chainId,address registry,address owner,bytes32 project,bytes32 base,bytes32 salt)");

    function baseId(address developer, bytes32 metadataDigest, bytes32 salt) internal view returns (BaseId) {
        return BaseId.wrap(
            keccak256(abi.encode(BASE_TYPEHASH, block.chainid, address(this), developer, metadataDigest, salt))
        );
    }

    function projectId(address owner, bytes32 metadataDigest, bytes32 salt) internal view returns (ProjectId) {
        return ProjectId.wrap(
            keccak256(abi.encode(PROJECT_TYPEHASH, block.chainid, address(this), owner, metadataDigest, salt))
        );
    }

    function modelId(address owner, ProjectId project, BaseId base, bytes32 salt) internal view returns (ModelId) {
        return
            ModelId.wrap(
                keccak256(abi.encode(MODEL_TYPEHASH, block.chainid, address(this), owner, project, base, salt))
            );
    }

    /// @dev The same name is the same method; the base is the other half of its key.
    function methodId(string calldata name) internal pure returns (MethodId) {
        return MethodId.wrap(keccak256(bytes(name)));
    }
}
