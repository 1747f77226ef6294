// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITrainingCoordinator} from "offsetdata/interfaces/ITrainingCoordinator.sol";
import {DataInput, EscrowTerms, RequestDetails} from "offsetdata/types/Training.sol";

/// @title Crowd
/// @notice Many users in one account and many calls in one transaction: prepares what the gas benchmark measures
/// against. Nothing that is measured goes through it.
contract Crowd {
    /// @notice Thrown when a prepared call fails.
    error Crowd_CallFailed(uint256 index, bytes reason);

    /// @notice Sends all calls in order.
    function run(address[] calldata targets, bytes[] calldata data) external {
        for (uint256 i = 0; i < targets.length; ++i) {
            (bool success, bytes memory reason) = targets[i].call(data[i]);
            require(success, Crowd_CallFailed(i, reason));
        }
    }

    /// @notice Opens `count` requests that differ in their salts.
    function open(
        ITrainingCoordinator coordinator,
        EscrowTerms calldata escrow,
        RequestDetails memory details,
        DataInput[] calldata inputs,
        uint256 firstSalt,
        uint256 count
    ) external {
        for (uint256 i = 0; i < count; ++i) {
            details.salt = bytes32(firstSalt + i);
            coordinator.request(escrow, details, inputs);
        }
    }
}
