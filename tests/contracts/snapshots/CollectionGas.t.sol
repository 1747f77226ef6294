// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CollectionTerms} from "offsetdata/types/Collection.sol";
import {CollectionId} from "offsetdata/types/Ids.sol";

import {MerkleReference} from "../mocks/MerkleReference.sol";
import {CollectionRegistryBase} from "../unit/CollectionRegistry/CollectionRegistryBase.t.sol";

/// @notice Gas of what publishers pay as transactions of their own, calldata included: FOUNDRY_PROFILE=optimized.
/// Ceilings are those of the design; under the fast profile nothing is measured.
contract CollectionGasTest is CollectionRegistryBase {
    modifier measured() {
        if (keccak256(bytes(vm.envOr("FOUNDRY_PROFILE", string("default")))) != keccak256("optimized")) {
            vm.skip(true, "gas is measured in the optimized profile");
        }
        _;
    }

    function test_Register() external measured {
        CollectionTerms memory given = terms();
        register(given);
        assertLe(vm.snapshotGasLastCall("CollectionRegistry", "register"), 90_000);
    }

    function test_RegisterNextVersion() external measured {
        CollectionTerms memory given = terms();
        given.previous = register(given);
        register(given);
        assertLe(vm.snapshotGasLastCall("CollectionRegistry", "registerNextVersion"), 90_000);
    }

    function test_VerifyRecordOfAMillion() external measured {
        // Only the path from one leaf to the root exists, which is all that a proof shows: the left half of a million
        // leaves is a full tree of 2^19, below the root.
        uint32 index = 0x55555; // 349,525: below 2^19, left and right by turns
        bytes32 leafHash = keccak256("leaf");
        bytes32[] memory proof = new bytes32[](20);
        bytes32 root = leafHash;
        for (uint256 i = 0; i < 20; ++i) {
            proof[i] = keccak256(abi.encode(i));
            bool right = (index >> i) & 1 == 1;
            root = right ? MerkleReference.node(proof[i], root) : MerkleReference.node(root, proof[i]);
        }
        CollectionTerms memory given = terms();
        given.recordCount = 1_000_000;
        given.contentRoot = root;
        CollectionId id = register(given);
        // A plain call, since only what is not static counts as a transaction of its own.
        (bool success, bytes memory answer) =
            address(collections).call(abi.encodeCall(collections.verifyRecord, (id, index, leafHash, proof)));
        assertLe(vm.snapshotGasLastCall("CollectionRegistry", "verifyRecord"), 60_000);
        assertTrue(success && abi.decode(answer, (bool)));
    }

    function test_Retire() external measured {
        CollectionTerms memory given = terms();
        CollectionId id = register(given);
        vm.prank(publisher.addr);
        collections.retire(id);
        vm.snapshotGasLastCall("CollectionRegistry", "retire");
    }
}
