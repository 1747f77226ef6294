// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {IAccessPolicy} from "offsetdata/interfaces/IAccessPolicy.sol";
import {IAccessToken} from "offsetdata/interfaces/IAccessToken.sol";
import {FOR_EVER, Offer, Right} from "offsetdata/types/Access.sol";
import {CollectionId} from "offsetdata/types/Ids.sol";

import {RevertingAccount} from "../../mocks/Accounts.sol";
import {AccessTokenBase} from "./AccessTokenBase.t.sol";

/// @notice Answers whatever it was made with, in any number of bytes.
contract AnsweringPolicy {
    bytes private _answer;

    constructor(bytes memory answer) {
        _answer = answer;
    }

    fallback(bytes calldata) external returns (bytes memory) {
        return _answer;
    }
}

/// @notice A policy that uses up all the gas it is given.
contract GasBurningPolicy {
    fallback() external {
        assembly ("memory-safe") {
            invalid()
        }
    }
}

contract HoldingTest is AccessTokenBase {
    function _grantTraining(Account memory account) private {
        vm.prank(publisher.addr);
        access.grant(collection, Right.TRAIN, one(account.addr), FOR_EVER);
    }

    function _gate(Right right, address policy) private {
        Offer memory terms = meteredOffer();
        terms.policy = IAccessPolicy(policy);
        offer(right, terms);
    }

    // ---------------------------------------------------------------- hasAccess

    function test_NobodyHasAccessToWhatIsNotOffered() public view {
        assertFalse(reads(reader));
        assertFalse(reads(publisher));
        assertFalse(access.hasAccess(NOBODYS, reader.addr, Right.READ));
    }

    function test_MeteredAdmitsEveryone() public {
        offer(Right.READ, meteredOffer());
        assertTrue(reads(reader));
        assertEq(balance(reader), 0, "a metered reader holds no token");
        assertFalse(access.hasAccess(collection, reader.addr, Right.TRAIN));
    }

    function test_MeteredEndsWithRetirement() public {
        offer(Right.READ, meteredOffer());
        grant(user, FOR_EVER);
        retire();
        assertFalse(reads(reader));
        assertTrue(reads(user));
    }

    function test_TimedAloneAdmitsNobody() public {
        offer(Right.READ, timedOffer());
        assertFalse(reads(reader));
    }

    function test_PolicyDecides() public {
        _gate(Right.READ, address(new AnsweringPolicy(abi.encode(true))));
        assertTrue(reads(reader));
        _gate(Right.READ, address(new AnsweringPolicy(abi.encode(false))));
        assertFalse(reads(reader));
    }

    function test_HostilePolicyAdmitsNobody() public {
        _gate(Right.READ, address(new RevertingAccount()));
        assertFalse(reads(reader));
        _gate(Right.READ, address(new GasBurningPolicy()));
        assertFalse(reads(reader));
        _gate(Right.READ, stranger.addr);
        assertFalse(reads(reader));
        _gate(Right.READ, address(new AnsweringPolicy(abi.encode(uint256(2)))));
        assertFalse(reads(reader));
        _gate(Right.READ, address(new AnsweringPolicy(hex"01")));
        assertFalse(reads(reader));
        _gate(Right.READ, address(new AnsweringPolicy(abi.encode(true, true))));
        assertFalse(reads(reader));
    }

    function test_HostilePolicyIsBoundedInGas() public {
        _gate(Right.READ, address(new GasBurningPolicy()));
        uint256 before = gasleft();
        assertFalse(reads(reader));
        assertLt(before - gasleft(), access.POLICY_GAS() + 60_000);
    }

    function test_RevertGiven_PolicyAdmitsNotTheBuyer() public {
        Offer memory terms = timedOffer();
        terms.policy = IAccessPolicy(address(new AnsweringPolicy(abi.encode(false))));
        offer(Right.READ, terms);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessToken.AccessToken_NotAdmitted.selector, collection, Right.READ, reader.addr)
        );
        buy(reader);
        grant(reader, FOR_EVER);
        assertTrue(reads(reader), "what the publisher grants needs no policy");
    }

    // ---------------------------------------------------------------- trainingTerms

    function test_TrainingTermsOfHolder() public {
        offer(Right.TRAIN, meteredOffer());
        _grantTraining(user);
        (uint128 price, address to) = access.trainingTerms(collection, user.addr);
        assertEq(price, 0);
        assertEq(to, payee.addr);
    }

    function test_TrainingTermsOfHolderGivenNoOffer() public {
        _grantTraining(user);
        (uint128 price, address to) = access.trainingTerms(collection, user.addr);
        assertEq(price, 0);
        assertEq(to, publisher.addr);
    }

    function test_TrainingTermsOfHolderGivenRetired() public {
        _grantTraining(user);
        retire();
        (uint128 price,) = access.trainingTerms(collection, user.addr);
        assertEq(price, 0);
    }

    function test_TrainingTermsMetered() public {
        offer(Right.TRAIN, meteredOffer());
        (uint128 price, address to) = access.trainingTerms(collection, user.addr);
        assertEq(price, RECORD_PRICE);
        assertEq(to, payee.addr);
    }

    function test_RevertGiven_NoTrainingRight() public {
        offer(Right.TRAIN, timedOffer());
        offer(Right.READ, meteredOffer());
        vm.expectRevert(
            abi.encodeWithSelector(IAccessToken.AccessToken_NoTrainingRight.selector, collection, user.addr)
        );
        access.trainingTerms(collection, user.addr);
    }

    function test_RevertGiven_UnknownCollection() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessToken.AccessToken_NoTrainingRight.selector, NOBODYS, user.addr));
        access.trainingTerms(NOBODYS, user.addr);
    }

    function test_RevertGiven_TrainingDenied() public {
        offer(Right.TRAIN, meteredOffer());
        deny(user, true);
        expectDenied(user.addr);
        access.trainingTerms(collection, user.addr);
    }

    function test_RevertGiven_TrainingRetired() public {
        offer(Right.TRAIN, meteredOffer());
        retire();
        expectRetired();
        access.trainingTerms(collection, user.addr);
    }

    function test_RevertGiven_TrainingNotAdmitted() public {
        _gate(Right.TRAIN, address(new RevertingAccount()));
        vm.expectRevert(
            abi.encodeWithSelector(IAccessToken.AccessToken_NotAdmitted.selector, collection, Right.TRAIN, user.addr)
        );
        access.trainingTerms(collection, user.addr);
    }

    // ---------------------------------------------------------------- ERC-1155

    function test_TokenIdIsTheDocumentedHash() public view {
        assertEq(access.tokenIdOf(collection, Right.TRAIN), uint256(keccak256(abi.encode(collection, uint256(1)))));
    }

    function test_BalanceOfBatch() public {
        grant(reader, FOR_EVER);
        address[] memory holders = new address[](3);
        (holders[0], holders[1], holders[2]) = (reader.addr, reader.addr, stranger.addr);
        uint256[] memory ids = new uint256[](3);
        ids[0] = access.tokenIdOf(collection, Right.READ);
        ids[1] = access.tokenIdOf(collection, Right.TRAIN);
        ids[2] = ids[0];
        uint256[] memory balances = access.balanceOfBatch(holders, ids);
        assertEq(balances[0], 1);
        assertEq(balances[1], 0);
        assertEq(balances[2], 0);
    }

    function test_RevertWhen_ListsDiffer() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessToken.AccessToken_LengthMismatch.selector, 1, 2));
        access.balanceOfBatch(one(reader.addr), new uint256[](2));
    }

    function test_RevertWhen_TokenIsMoved() public {
        grant(reader, FOR_EVER);
        uint256[] memory ids = new uint256[](1);
        ids[0] = access.tokenIdOf(collection, Right.READ);
        vm.startPrank(reader.addr);
        vm.expectRevert(IAccessToken.AccessToken_NotTransferable.selector);
        access.safeTransferFrom(reader.addr, stranger.addr, ids[0], 1, "");
        vm.expectRevert(IAccessToken.AccessToken_NotTransferable.selector);
        access.safeBatchTransferFrom(reader.addr, stranger.addr, ids, ids, "");
        vm.expectRevert(IAccessToken.AccessToken_NotTransferable.selector);
        access.setApprovalForAll(stranger.addr, true);
        assertFalse(access.isApprovedForAll(reader.addr, stranger.addr));
    }

    function test_SupportsInterface() public view {
        assertTrue(access.supportsInterface(type(IERC165).interfaceId));
        assertTrue(access.supportsInterface(type(IERC1155).interfaceId));
        assertTrue(access.supportsInterface(0xd9b67a26));
        assertTrue(access.supportsInterface(type(IAccessToken).interfaceId));
        assertFalse(access.supportsInterface(type(IERC721).interfaceId));
        assertFalse(access.supportsInterface(0xffffffff));
    }

    function test_OneCollectionIsNotAnother() public {
        CollectionId other = registerCollection("two");
        grant(reader, FOR_EVER);
        assertFalse(access.hasAccess(other, reader.addr, Right.READ));
        vm.prank(publisher.addr);
        access.setDenied(other, one(reader.addr), true);
        assertTrue(reads(reader));
    }
}
