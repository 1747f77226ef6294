// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice A contract account: ERC-1271 by one key, and any call by that key's owner.
contract ContractAccount is IERC1271 {
    address public immutable key;

    constructor(address key_) {
        key = key_;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (address recovered,,) = ECDSA.tryRecoverCalldata(hash, signature);
        return recovered == key ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    function execute(address to, bytes calldata data) external returns (bytes memory) {
        require(msg.sender == key, "not the key");
        (bool success, bytes memory result) = to.call(data);
        require(success, string(result));
        return result;
    }
}

/// @notice A contract that refuses every call, native money included.
contract RevertingAccount {
    fallback() external payable {
        revert("refused");
    }
}

/// @notice Answers ERC-1271 by using up all the gas it is given.
contract GasBurningAccount is IERC1271 {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        assembly {
            invalid()
        }
    }
}
