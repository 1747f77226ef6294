// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RequestState, RequestStatus} from "../types/Training.sol";

/// @notice The one slot of a request: from the lowest bit worker (160), status (8), attempt (8), sequence (32) and
/// units (48), as Solidity packs `RequestState`.
type PackedState is uint256;

using PackedStates for PackedState global;

/// @title PackedStates
/// @notice Reads and writes a request's slot in one piece: field by field, each landing would load and store it thrice.
library PackedStates {
    function pack(address worker_, RequestStatus status_, uint256 attempt_, uint256 sequence_, uint256 units_)
        internal
        pure
        returns (PackedState)
    {
        return PackedState.wrap(
            uint160(worker_) | uint256(status_) << 160 | attempt_ << 168 | sequence_ << 176 | units_ << 208
        );
    }

    function unpack(PackedState state) internal pure returns (RequestState memory) {
        return RequestState(state.worker(), state.status(), state.attempt(), state.sequence(), state.units());
    }

    // ---------------------------------------------------------------- fields: cutting the rest off is the point
    // forge-lint: disable-start(unsafe-typecast)

    function worker(PackedState state) internal pure returns (address) {
        return address(uint160(PackedState.unwrap(state)));
    }

    function status(PackedState state) internal pure returns (RequestStatus) {
        return RequestStatus(uint8(PackedState.unwrap(state) >> 160));
    }

    function attempt(PackedState state) internal pure returns (uint8) {
        return uint8(PackedState.unwrap(state) >> 168);
    }

    function sequence(PackedState state) internal pure returns (uint32) {
        return uint32(PackedState.unwrap(state) >> 176);
    }

    function units(PackedState state) internal pure returns (uint48) {
        return uint48(PackedState.unwrap(state) >> 208);
    }

    // ---------------------------------------------------------------- questions

    /// @dev Whether the request is neither unknown nor at its end: OPEN or CANCELLING.
    function isRunning(PackedState state) internal pure returns (bool) {
        unchecked {
            return _status(state) - uint256(RequestStatus.OPEN) < 2;
        }
    }

    function isCancelling(PackedState state) internal pure returns (bool) {
        return _status(state) == uint256(RequestStatus.CANCELLING);
    }

    /// @dev Without the range check that an enum brings.
    function _status(PackedState state) private pure returns (uint256) {
        return uint8(PackedState.unwrap(state) >> 160);
    }

    // ---------------------------------------------------------------- steps

    /// @dev The same after a commitment.
    function advanced(PackedState state, uint256 sequence_, uint256 units_) internal pure returns (PackedState) {
        return PackedState.wrap(uint176(PackedState.unwrap(state)) | sequence_ << 176 | units_ << 208);
    }

    /// @dev The same with another status and units.
    function ended(PackedState state, RequestStatus status_, uint256 units_) internal pure returns (PackedState) {
        return pack(state.worker(), status_, state.attempt(), state.sequence(), units_);
    }

    /// @dev The same with another status.
    function ended(PackedState state, RequestStatus status_) internal pure returns (PackedState) {
        return ended(state, status_, state.units());
    }
    // forge-lint: disable-end(unsafe-typecast)
}
