// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EscrowTerms} from "../types/Training.sol";

/// @title EscrowWords
/// @notice Fields of terms as they lie in calldata, without the check for cleanliness that each landing would pay for.
/// Only for terms that are those of a request: `request` took no unclean ones and any other encoding has another id.
library EscrowWords {
    function unitLimit(EscrowTerms calldata escrow) internal pure returns (uint256) {
        return _at(escrow, 0x80);
    }

    function maxUnitsPerSecond(EscrowTerms calldata escrow) internal pure returns (uint256) {
        return _at(escrow, 0xa0);
    }

    function relayFee(EscrowTerms calldata escrow) internal pure returns (uint256) {
        return _at(escrow, 0xe0);
    }

    function relayFeeCap(EscrowTerms calldata escrow) internal pure returns (uint256) {
        return _at(escrow, 0x100);
    }

    function openedAt(EscrowTerms calldata escrow) internal pure returns (uint256) {
        return _at(escrow, 0x140);
    }

    function startDeadline(EscrowTerms calldata escrow) internal pure returns (uint256) {
        return _at(escrow, 0x160);
    }

    function deadline(EscrowTerms calldata escrow) internal pure returns (uint256) {
        return _at(escrow, 0x180);
    }

    function gracePeriod(EscrowTerms calldata escrow) internal pure returns (uint256) {
        return _at(escrow, 0x1a0);
    }

    function _at(EscrowTerms calldata escrow, uint256 offset) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(escrow, offset))
        }
    }
}
