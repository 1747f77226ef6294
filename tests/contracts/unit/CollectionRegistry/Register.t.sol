// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CollectionRegistry} from "offsetdata/CollectionRegistry.sol";
import {ICollectionRegistry} from "offsetdata/interfaces/ICollectionRegistry.sol";
import {CollectionState, CollectionTerms} from "offsetdata/types/Collection.sol";
import {CollectionId} from "offsetdata/types/Ids.sol";

import {CollectionRegistryBase} from "./CollectionRegistryBase.t.sol";

contract RegisterTest is CollectionRegistryBase {
    function test_Register() public {
        CollectionTerms memory given = terms();
        CollectionId expected = collections.collectionIdOf(publisher.addr, given);
        vm.expectEmit(address(collections));
        emit ICollectionRegistry.CollectionRegistered(
            expected,
            publisher.addr,
            given.previous,
            given.contentRoot,
            given.recordCount,
            given.manifestDigest,
            given.policyDigest,
            given.sharesRoot,
            given.salt
        );
        CollectionId id = register(given);

        assertTrue(id == expected);
        assertEq(collections.contentRootOf(id), given.contentRoot);
        assertEq(collections.publisherOf(id), publisher.addr);
        CollectionState memory state = collections.collectionOf(id);
        assertEq(state.publisher, publisher.addr);
        assertEq(state.recordCount, COUNT);
        assertEq(state.registeredAt, block.timestamp);
        assertFalse(state.retired);
    }

    function test_RegisterThroughForwarder() public {
        CollectionTerms memory given = terms();
        forward(publisher, address(collections), abi.encodeCall(collections.register, (given)));
        assertEq(collections.publisherOf(collections.collectionIdOf(publisher.addr, given)), publisher.addr);
    }

    function test_RegisterLargestAndSmallest() public {
        CollectionTerms memory given = terms();
        given.recordCount = 1_000_000;
        assertEq(collections.collectionOf(register(given)).recordCount, 1_000_000);
        given.recordCount = 1;
        assertEq(collections.collectionOf(register(given)).recordCount, 1);
    }

    function test_RegisterNextVersion() public {
        CollectionTerms memory given = terms();
        CollectionId first = register(given);
        given.previous = first;
        CollectionId second = register(given);
        assertTrue(first != second);
        assertEq(collections.contentRootOf(second), given.contentRoot);
    }

    function test_IdCoversEverything() public {
        CollectionTerms memory given = terms();
        CollectionId id = collections.collectionIdOf(publisher.addr, given);
        assertTrue(id != collections.collectionIdOf(stranger.addr, given));
        CollectionRegistry other = new CollectionRegistry(address(forwarder));
        assertTrue(id != other.collectionIdOf(publisher.addr, given));
        vm.chainId(block.chainid + 1);
        assertTrue(id != collections.collectionIdOf(publisher.addr, given));
    }

    function test_IdIsTheDocumentedHash() public view {
        CollectionTerms memory given = terms();
        bytes32 typehash = keccak256(
            "Collection(uint256 chainId,address registry,address registrant,bytes32 contentRoot,uint32 recordCount,bytes32 manifestDigest,bytes32 previous,bytes32 policyDigest,bytes32 sharesRoot,bytes32 salt)"
        );
        bytes32 expected = keccak256(
            abi.encodePacked(
                typehash,
                block.chainid,
                uint256(uint160(address(collections))),
                uint256(uint160(publisher.addr)),
                given.contentRoot,
                uint256(given.recordCount),
                given.manifestDigest,
                given.previous,
                given.policyDigest,
                given.sharesRoot,
                given.salt
            )
        );
        assertEq(CollectionId.unwrap(collections.collectionIdOf(publisher.addr, given)), expected);
    }

    function testFuzz_IdChangesWithEveryTerm(uint256 field, bytes32 flip) public view {
        field = bound(field, 0, 6);
        CollectionTerms memory given = terms();
        CollectionId before = collections.collectionIdOf(publisher.addr, given);
        if (field == 1) {
            given.recordCount ^= uint32(bound(uint256(flip), 1, type(uint32).max));
        } else {
            vm.assume(flip != 0);
            assembly {
                let slot := add(given, mul(field, 0x20))
                mstore(slot, xor(mload(slot), flip))
            }
        }
        assertTrue(before != collections.collectionIdOf(publisher.addr, given));
    }

    function test_RevertGiven_Registered() public {
        CollectionTerms memory given = terms();
        CollectionId id = register(given);
        vm.expectRevert(abi.encodeWithSelector(ICollectionRegistry.CollectionRegistry_AlreadyRegistered.selector, id));
        register(given);
    }

    function test_NobodySquatsOnAnId() public {
        vm.prank(stranger.addr);
        CollectionId strangers = collections.register(terms());
        assertTrue(register(terms()) != strangers);
    }

    function test_RevertWhen_NoRecords() public {
        CollectionTerms memory given = terms();
        given.recordCount = 0;
        vm.expectRevert(
            abi.encodeWithSelector(ICollectionRegistry.CollectionRegistry_RecordCountOutOfRange.selector, 0, 1_000_000)
        );
        register(given);
    }

    function test_RevertWhen_OneRecordTooMany() public {
        CollectionTerms memory given = terms();
        given.recordCount = 1_000_001;
        vm.expectRevert(
            abi.encodeWithSelector(
                ICollectionRegistry.CollectionRegistry_RecordCountOutOfRange.selector, 1_000_001, 1_000_000
            )
        );
        register(given);
    }

    function test_RevertWhen_ContentRootIsZero() public {
        CollectionTerms memory given = terms();
        given.contentRoot = 0;
        vm.expectRevert(ICollectionRegistry.CollectionRegistry_ZeroDigest.selector);
        register(given);
    }

    function test_RevertWhen_ManifestDigestIsZero() public {
        CollectionTerms memory given = terms();
        given.manifestDigest = 0;
        vm.expectRevert(ICollectionRegistry.CollectionRegistry_ZeroDigest.selector);
        register(given);
    }

    function test_RevertWhen_PreviousIsUnknown() public {
        CollectionTerms memory given = terms();
        given.previous = NOBODYS;
        vm.expectRevert(
            abi.encodeWithSelector(ICollectionRegistry.CollectionRegistry_UnknownPrevious.selector, NOBODYS)
        );
        register(given);
    }

    function test_RevertWhen_PreviousIsSomebodyElses() public {
        CollectionTerms memory given = terms();
        given.previous = register(given);
        expectNotPublisher(stranger.addr);
        vm.prank(stranger.addr);
        collections.register(given);
    }
}
