// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Names a collection. Hash over chain id, registry, registrant and all registered terms.
type CollectionId is bytes32;

/// @notice Names a base that a developer offers.
type BaseId is bytes32;

/// @notice Names a way to train a base. Unique within its base.
type MethodId is bytes32;

/// @notice Names a user's container for models.
type ProjectId is bytes32;

/// @notice Names a model. The same 256 bits are the ERC-721 token id.
type ModelId is bytes32;

/// @notice Names a training request: the hash of its terms.
type RequestId is bytes32;

using {eqCollection as ==, neqCollection as !=, isZeroCollection as isZero} for CollectionId global;
using {eqBase as ==, neqBase as !=, isZeroBase as isZero} for BaseId global;
using {eqMethod as ==, neqMethod as !=} for MethodId global;
using {eqProject as ==, neqProject as !=, isZeroProject as isZero} for ProjectId global;
using {eqModel as ==, neqModel as !=, modelTokenId as tokenId} for ModelId global;
using {eqRequest as ==, neqRequest as !=, isZeroRequest as isZero} for RequestId global;

function eqCollection(CollectionId a, CollectionId b) pure returns (bool) {
    return CollectionId.unwrap(a) == CollectionId.unwrap(b);
}

function neqCollection(CollectionId a, CollectionId b) pure returns (bool) {
    return CollectionId.unwrap(a) != CollectionId.unwrap(b);
}

function isZeroCollection(CollectionId a) pure returns (bool) {
    return CollectionId.unwrap(a) == bytes32(0);
}

function eqBase(BaseId a, BaseId b) pure returns (bool) {
    return BaseId.unwrap(a) == BaseId.unwrap(b);
}

function neqBase(BaseId a, BaseId b) pure returns (bool) {
    return BaseId.unwrap(a) != BaseId.unwrap(b);
}

function isZeroBase(BaseId a) pure returns (bool) {
    return BaseId.unwrap(a) == bytes32(0);
}

function eqMethod(MethodId a, MethodId b) pure returns (bool) {
    return MethodId.unwrap(a) == MethodId.unwrap(b);
}

function neqMethod(MethodId a, MethodId b) pure returns (bool) {
    return MethodId.unwrap(a) != MethodId.unwrap(b);
}

function eqProject(ProjectId a, ProjectId b) pure returns (bool) {
    return ProjectId.unwrap(a) == ProjectId.unwrap(b);
}

function neqProject(ProjectId a, ProjectId b) pure returns (bool) {
    return ProjectId.unwrap(a) != ProjectId.unwrap(b);
}

function isZeroProject(ProjectId a) pure returns (bool) {
    return ProjectId.unwrap(a) == bytes32(0);
}

function eqModel(ModelId a, ModelId b) pure returns (bool) {
    return ModelId.unwrap(a) == ModelId.unwrap(b);
}

function neqModel(ModelId a, ModelId b) pure returns (bool) {
    return ModelId.unwrap(a) != ModelId.unwrap(b);
}

function modelTokenId(ModelId a) pure returns (uint256) {
    return uint256(ModelId.unwrap(a));
}

function eqRequest(RequestId a, RequestId b) pure returns (bool) {
    return RequestId.unwrap(a) == RequestId.unwrap(b);
}

function neqRequest(RequestId a, RequestId b) pure returns (bool) {
    return RequestId.unwrap(a) != RequestId.unwrap(b);
}

function isZeroRequest(RequestId a) pure returns (bool) {
    return RequestId.unwrap(a) == bytes32(0);
}
