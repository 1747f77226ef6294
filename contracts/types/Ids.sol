// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Names a collection. Hash over chain id, registry, registrant and all registered terms.
type CollectionId is bytes32;

/// @notice Names a base that a developer offers.
type BaseId is bytes32;

/// @notice Names a way to train a base: keccak256 of its name, unique within the base.
type MethodId is bytes32;

/// @notice Names a user's container for models.
type ProjectId is bytes32;

/// @notice Names a model. The same 256 bits are the ERC-721 token id.
type ModelId is bytes32;

/// @notice Names a training request: the hash of its terms.
type RequestId is bytes32;

using {eqCollection as ==, neqCollection as !=} for CollectionId global;
using CollectionIds for CollectionId global;
using {eqBase as ==, neqBase as !=} for BaseId global;
using BaseIds for BaseId global;
using {eqMethod as ==, neqMethod as !=} for MethodId global;
using MethodIds for MethodId global;
using {eqProject as ==, neqProject as !=} for ProjectId global;
using ProjectIds for ProjectId global;
using {eqModel as ==, neqModel as !=} for ModelId global;
using ModelIds for ModelId global;
using {eqRequest as ==, neqRequest as !=} for RequestId global;
using RequestIds for RequestId global;

function eqCollection(CollectionId a, CollectionId b) pure returns (bool) {
    return CollectionId.unwrap(a) == CollectionId.unwrap(b);
}

function neqCollection(CollectionId a, CollectionId b) pure returns (bool) {
    return CollectionId.unwrap(a) != CollectionId.unwrap(b);
}

library CollectionIds {
    function isZero(CollectionId id) internal pure returns (bool) {
        return CollectionId.unwrap(id) == bytes32(0);
    }
}

function eqBase(BaseId a, BaseId b) pure returns (bool) {
    return BaseId.unwrap(a) == BaseId.unwrap(b);
}

function neqBase(BaseId a, BaseId b) pure returns (bool) {
    return BaseId.unwrap(a) != BaseId.unwrap(b);
}

library BaseIds {
    function isZero(BaseId id) internal pure returns (bool) {
        return BaseId.unwrap(id) == bytes32(0);
    }
}

function eqMethod(MethodId a, MethodId b) pure returns (bool) {
    return MethodId.unwrap(a) == MethodId.unwrap(b);
}

function neqMethod(MethodId a, MethodId b) pure returns (bool) {
    return MethodId.unwrap(a) != MethodId.unwrap(b);
}

library MethodIds {
    function isZero(MethodId id) internal pure returns (bool) {
        return MethodId.unwrap(id) == bytes32(0);
    }
}

function eqProject(ProjectId a, ProjectId b) pure returns (bool) {
    return ProjectId.unwrap(a) == ProjectId.unwrap(b);
}

function neqProject(ProjectId a, ProjectId b) pure returns (bool) {
    return ProjectId.unwrap(a) != ProjectId.unwrap(b);
}

library ProjectIds {
    function isZero(ProjectId id) internal pure returns (bool) {
        return ProjectId.unwrap(id) == bytes32(0);
    }
}

function eqModel(ModelId a, ModelId b) pure returns (bool) {
    return ModelId.unwrap(a) == ModelId.unwrap(b);
}

function neqModel(ModelId a, ModelId b) pure returns (bool) {
    return ModelId.unwrap(a) != ModelId.unwrap(b);
}

library ModelIds {
    function tokenId(ModelId id) internal pure returns (uint256) {
        return uint256(ModelId.unwrap(id));
    }

    function isZero(ModelId id) internal pure returns (bool) {
        return ModelId.unwrap(id) == bytes32(0);
    }
}

function eqRequest(RequestId a, RequestId b) pure returns (bool) {
    return RequestId.unwrap(a) == RequestId.unwrap(b);
}

function neqRequest(RequestId a, RequestId b) pure returns (bool) {
    return RequestId.unwrap(a) != RequestId.unwrap(b);
}

library RequestIds {
    function isZero(RequestId id) internal pure returns (bool) {
        return RequestId.unwrap(id) == bytes32(0);
    }
}
