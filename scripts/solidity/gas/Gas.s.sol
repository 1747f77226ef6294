// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TrainingGas} from "./TrainingGas.s.sol";

/// @title Gas
/// @notice Sends the operations whose gas the design bounds, as transactions to a fresh anvil: scripts/bench gas.
contract Gas is TrainingGas {
    function measure() external {
        prepare();
        measureCollections();
        measureAccess();
        measureVouchers();
        measureTraining();
    }
}
