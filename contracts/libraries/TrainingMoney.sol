// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EscrowTerms, LandingTerms} from "../types/Training.sol";
import {CalldataWords} from "./CalldataWords.sol";

/// @title TrainingMoney
/// @notice What a request escrows and who gets which part of it, in the token's smallest unit. It moves nothing.
/// @dev No product overflows: 128 + 48, 128 + 32 and 128 + 48 + 14 bits.
library TrainingMoney {
    uint256 private constant FULL_BPS = 10_000;

    /// @dev Units, relay fees and data at their limits.
    function escrowed(EscrowTerms calldata escrow) internal pure returns (uint256) {
        return unitPay(escrow, escrow.landing.unitLimit) + relayLimit(escrow) + escrow.dataEscrow;
    }

    /// @dev Units at their price, holdback included.
    function unitPay(EscrowTerms calldata escrow, uint256 units) internal pure returns (uint256) {
        return units * escrow.unitPrice;
    }

    /// @dev The same without the holdback, rounded down.
    function unitPayHeldBack(EscrowTerms calldata escrow, uint256 units) internal pure returns (uint256) {
        return unitPay(escrow, units) * (FULL_BPS - escrow.holdbackBps) / FULL_BPS;
    }

    function relayLimit(EscrowTerms calldata escrow) internal pure returns (uint256) {
        return uint256(escrow.landing.relayFee) * escrow.landing.relayFeeCap;
    }

    /// @dev What the first `landings` landings cost together.
    function relayPaid(EscrowTerms calldata escrow, uint256 landings) internal pure returns (uint256) {
        uint256 cap = escrow.landing.relayFeeCap;
        return escrow.landing.relayFee * (landings < cap ? landings : cap);
    }

    /// @dev What the landing with this ordinal (from 1) pays. For terms that are those of a request.
    function landingFee(LandingTerms calldata landing, uint256 ordinal) internal pure returns (uint256) {
        return ordinal <= CalldataWords.relayFeeCap(landing) ? CalldataWords.relayFee(landing) : 0;
    }

    /// @dev What goes back to the user at the end, the data escrow aside.
    function refund(EscrowTerms calldata escrow, uint256 developerPaid, uint256 relayPaid_)
        internal
        pure
        returns (uint256)
    {
        return unitPay(escrow, escrow.landing.unitLimit) - developerPaid + relayLimit(escrow) - relayPaid_;
    }
}
