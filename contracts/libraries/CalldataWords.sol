// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Commitment, LandingTerms} from "../types/Training.sol";

/// @title CalldataWords
/// @notice Fields as they lie in calldata, without the check for cleanliness that each landing would pay for several
/// times. It decides nothing: terms are those of a request, which took no unclean ones (any other encoding has another
/// id); attempt, sequence and units are compared with their bounds as whole words.
library CalldataWords {
    // ---------------------------------------------------------------- terms of a request

    function unitLimit(LandingTerms calldata landing) internal pure returns (uint256) {
        return _at(landing, 0x00);
    }

    function maxUnitsPerSecond(LandingTerms calldata landing) internal pure returns (uint256) {
        return _at(landing, 0x20);
    }

    function relayFee(LandingTerms calldata landing) internal pure returns (uint256) {
        return _at(landing, 0x40);
    }

    function relayFeeCap(LandingTerms calldata landing) internal pure returns (uint256) {
        return _at(landing, 0x60);
    }

    function openedAt(LandingTerms calldata landing) internal pure returns (uint256) {
        return _at(landing, 0x80);
    }

    function startDeadline(LandingTerms calldata landing) internal pure returns (uint256) {
        return _at(landing, 0xa0);
    }

    function deadline(LandingTerms calldata landing) internal pure returns (uint256) {
        return _at(landing, 0xc0);
    }

    function gracePeriod(LandingTerms calldata landing) internal pure returns (uint256) {
        return _at(landing, 0xe0);
    }

    // ---------------------------------------------------------------- a commitment

    function attemptWord(Commitment calldata commitment) internal pure returns (uint256) {
        return _at(commitment, 0x00);
    }

    function sequenceWord(Commitment calldata commitment) internal pure returns (uint256) {
        return _at(commitment, 0x20);
    }

    function unitsWord(Commitment calldata commitment) internal pure returns (uint256) {
        return _at(commitment, 0x60);
    }

    function _at(Commitment calldata commitment, uint256 offset) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(commitment, offset))
        }
    }

    function _at(LandingTerms calldata landing, uint256 offset) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(landing, offset))
        }
    }
}
