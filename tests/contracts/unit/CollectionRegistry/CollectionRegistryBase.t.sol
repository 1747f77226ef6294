// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICollectionRegistry} from "offsetdata/interfaces/ICollectionRegistry.sol";
import {CollectionTerms} from "offsetdata/types/Collection.sol";
import {CollectionId} from "offsetdata/types/Ids.sol";

import {Base} from "../../Base.t.sol";
import {MerkleReference} from "../../mocks/MerkleReference.sol";

/// @notice A collections and terms of a collection of 21 records over a real tree.
abstract contract CollectionRegistryBase is Base {
    uint32 internal constant COUNT = 21;
    CollectionId internal constant NOBODYS = CollectionId.wrap(keccak256("nobody's"));

    bytes32[] internal leaves;

    function setUp() public virtual override {
        super.setUp();
        leaves = MerkleReference.leaves(1, COUNT);
    }

    function terms() internal view returns (CollectionTerms memory) {
        return CollectionTerms({
            contentRoot: MerkleReference.root(leaves),
            recordCount: COUNT,
            manifestDigest: keccak256("manifest"),
            previous: CollectionId.wrap(0),
            policyDigest: keccak256("policy"),
            sharesRoot: keccak256("shares"),
            salt: bytes32("salt")
        });
    }

    function register(CollectionTerms memory given) internal returns (CollectionId) {
        vm.prank(publisher.addr);
        return collections.register(given);
    }

    function expectNotPublisher(address caller) internal {
        vm.expectRevert(
            abi.encodeWithSelector(ICollectionRegistry.CollectionRegistry_NotPublisher.selector, caller, publisher.addr)
        );
    }

    function expectUnknown(CollectionId id) internal {
        vm.expectRevert(abi.encodeWithSelector(ICollectionRegistry.CollectionRegistry_UnknownCollection.selector, id));
    }
}
