// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICollectionRegistry} from "offsetdata/interfaces/ICollectionRegistry.sol";
import {CollectionId} from "offsetdata/types/Ids.sol";

import {CollectionRegistryBase} from "./CollectionRegistryBase.t.sol";

contract DescribeTest is CollectionRegistryBase {
    CollectionId internal id;

    function setUp() public override {
        super.setUp();
        id = register(terms());
    }

    // ---------------------------------------------------------------- reviseMetadata

    function test_ReviseMetadata() public {
        vm.expectEmit(address(collections));
        emit ICollectionRegistry.CollectionMetadataRevised(id, keccak256("metadata"), "ipfs://cid");
        vm.prank(publisher.addr);
        collections.reviseMetadata(id, keccak256("metadata"), "ipfs://cid");
    }

    function test_ReviseMetadataGivenRetired() public {
        vm.startPrank(publisher.addr);
        collections.retire(id);
        collections.reviseMetadata(id, keccak256("metadata"), "ipfs://cid");
    }

    function test_RevertWhen_MetadataRevisedByStranger() public {
        expectNotPublisher(stranger.addr);
        vm.prank(stranger.addr);
        collections.reviseMetadata(id, 0, "");
    }

    function test_RevertWhen_MetadataOfUnknown() public {
        expectUnknown(NOBODYS);
        collections.reviseMetadata(NOBODYS, 0, "");
    }

    function test_RevertWhen_UriIsTooLong() public {
        string memory uri = string(new bytes(2049));
        vm.expectRevert(abi.encodeWithSelector(ICollectionRegistry.CollectionRegistry_TooLong.selector, 2049, 2048));
        vm.prank(publisher.addr);
        collections.reviseMetadata(id, 0, uri);
    }

    // ---------------------------------------------------------------- sealKey

    function test_SealKey() public {
        vm.expectEmit(address(collections));
        emit ICollectionRegistry.CollectionKeySealed(id, bytes32("gateway"), hex"0102");
        vm.prank(publisher.addr);
        collections.sealKey(id, bytes32("gateway"), hex"0102");
    }

    function test_RevertWhen_KeySealedByStranger() public {
        expectNotPublisher(stranger.addr);
        vm.prank(stranger.addr);
        collections.sealKey(id, bytes32("gateway"), hex"0102");
    }

    function test_RevertWhen_SealedKeyIsTooLong() public {
        vm.expectRevert(abi.encodeWithSelector(ICollectionRegistry.CollectionRegistry_TooLong.selector, 1025, 1024));
        vm.prank(publisher.addr);
        collections.sealKey(id, bytes32("gateway"), new bytes(1025));
    }

    // ---------------------------------------------------------------- retire

    function test_Retire() public {
        vm.expectEmit(address(collections));
        emit ICollectionRegistry.CollectionRetired(id);
        vm.prank(publisher.addr);
        collections.retire(id);
        assertTrue(collections.collectionOf(id).retired);
    }

    function test_RevertGiven_Retired() public {
        vm.startPrank(publisher.addr);
        collections.retire(id);
        vm.expectRevert(abi.encodeWithSelector(ICollectionRegistry.CollectionRegistry_Retired.selector, id));
        collections.retire(id);
    }

    function test_RevertWhen_RetiredByStranger() public {
        expectNotPublisher(stranger.addr);
        vm.prank(stranger.addr);
        collections.retire(id);
    }

    // ---------------------------------------------------------------- flag

    function test_FlagByAnyone() public {
        vm.expectEmit(address(collections));
        emit ICollectionRegistry.CollectionFlagged(id, stranger.addr, keccak256("flags"), 2, keccak256("reason"));
        vm.prank(stranger.addr);
        collections.flag(id, keccak256("flags"), 2, keccak256("reason"));
    }

    function test_RevertWhen_FlagOfUnknown() public {
        expectUnknown(NOBODYS);
        collections.flag(NOBODYS, keccak256("flags"), 2, 0);
    }

    function test_RevertWhen_NothingIsFlagged() public {
        vm.expectRevert(
            abi.encodeWithSelector(ICollectionRegistry.CollectionRegistry_RecordCountOutOfRange.selector, 0, COUNT)
        );
        collections.flag(id, keccak256("flags"), 0, 0);
    }

    function test_RevertWhen_MoreFlagsThanRecords() public {
        vm.expectRevert(
            abi.encodeWithSelector(
                ICollectionRegistry.CollectionRegistry_RecordCountOutOfRange.selector, COUNT + 1, COUNT
            )
        );
        collections.flag(id, keccak256("flags"), COUNT + 1, 0);
    }

    function test_RevertWhen_FlagsRootIsZero() public {
        vm.expectRevert(ICollectionRegistry.CollectionRegistry_ZeroDigest.selector);
        collections.flag(id, 0, 1, 0);
    }

    // ---------------------------------------------------------------- hand over

    function test_HandOver() public {
        vm.expectEmit(address(collections));
        emit ICollectionRegistry.PublisherTransferStarted(id, publisher.addr, contributor.addr);
        vm.prank(publisher.addr);
        collections.transferPublisher(id, contributor.addr);
        assertEq(collections.successorOf(id), contributor.addr);
        assertEq(collections.publisherOf(id), publisher.addr);

        vm.expectEmit(address(collections));
        emit ICollectionRegistry.PublisherTransferred(id, publisher.addr, contributor.addr);
        vm.prank(contributor.addr);
        collections.acceptPublisher(id);
        assertEq(collections.successorOf(id), address(0));
        assertEq(collections.publisherOf(id), contributor.addr);
        assertEq(collections.collectionOf(id).recordCount, COUNT);
    }

    function test_HandOverWithdrawn() public {
        vm.startPrank(publisher.addr);
        collections.transferPublisher(id, contributor.addr);
        collections.transferPublisher(id, address(0));
        vm.stopPrank();
        vm.expectRevert(
            abi.encodeWithSelector(
                ICollectionRegistry.CollectionRegistry_NotSuccessor.selector, contributor.addr, address(0)
            )
        );
        vm.prank(contributor.addr);
        collections.acceptPublisher(id);
    }

    function test_RevertWhen_AcceptedByStranger() public {
        vm.prank(publisher.addr);
        collections.transferPublisher(id, contributor.addr);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICollectionRegistry.CollectionRegistry_NotSuccessor.selector, stranger.addr, contributor.addr
            )
        );
        vm.prank(stranger.addr);
        collections.acceptPublisher(id);
    }

    function test_RevertWhen_HandedOverByStranger() public {
        expectNotPublisher(stranger.addr);
        vm.prank(stranger.addr);
        collections.transferPublisher(id, stranger.addr);
    }

    function test_RevertWhen_UnknownIsHandedOver() public {
        expectUnknown(NOBODYS);
        collections.transferPublisher(NOBODYS, stranger.addr);
    }

    // ---------------------------------------------------------------- views

    function test_UnknownIsAllZero() public view {
        assertEq(collections.contentRootOf(NOBODYS), 0);
        assertEq(collections.publisherOf(NOBODYS), address(0));
        assertEq(collections.successorOf(NOBODYS), address(0));
        assertEq(collections.collectionOf(NOBODYS).registeredAt, 0);
    }
}
