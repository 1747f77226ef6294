// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

import {DevToken} from "offsetdata/DevToken.sol";

import {Base} from "../Base.t.sol";

contract DevTokenTest is Base {
    function test_WhenAsked_ItHasSixDecimalsAndItsNames() external view {
        assertEq(token.decimals(), 6);
        assertEq(token.name(), "Offsetdata Dev Dollar");
        assertEq(token.symbol(), "ODD");
    }

    function test_WhenMintedByAnyone() external {
        vm.prank(stranger.addr);
        token.mint(reader.addr, 5e6);
        assertEq(token.balanceOf(reader.addr), FUNDS + 5e6);
    }

    function test_RevertWhen_MoreThanTheMaximum() external {
        uint256 maximum = token.MAX_MINT();
        vm.expectRevert(abi.encodeWithSelector(DevToken.DevToken_TooMuch.selector, maximum + 1, maximum));
        token.mint(reader.addr, maximum + 1);
    }

    function test_WhenPermitted() external {
        (uint8 v, bytes32 r, bytes32 s) = signPermit(reader, stranger.addr, 7, block.timestamp);
        token.permit(reader.addr, stranger.addr, 7, block.timestamp, v, r, s);
        assertEq(token.allowance(reader.addr, stranger.addr), 7);
        assertEq(token.nonces(reader.addr), 1);
    }

    function test_WhenReceivedByAuthorization_AnyNonceServesOnce() external {
        bytes32 nonce = keccak256("intent");
        bytes memory signature = signReceive(reader, stranger.addr, 9, 0, type(uint256).max, nonce);
        assertFalse(token.authorizationState(reader.addr, nonce));
        vm.startPrank(stranger.addr);
        token.receiveWithAuthorization(reader.addr, stranger.addr, 9, 0, type(uint256).max, nonce, signature);
        assertTrue(token.authorizationState(reader.addr, nonce));
        assertEq(token.balanceOf(stranger.addr), FUNDS + 9);
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, reader.addr, nonce));
        token.receiveWithAuthorization(reader.addr, stranger.addr, 9, 0, type(uint256).max, nonce, signature);
    }

    function test_WhenTransferredByAuthorization() external {
        bytes32 nonce = keccak256("other");
        bytes32 typehash = keccak256(
            "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes32 structHash = keccak256(abi.encode(typehash, reader.addr, stranger.addr, 9, 0, type(uint256).max, nonce));
        bytes memory signature = sign(reader, address(token), structHash);
        vm.prank(relayer.addr);
        token.transferWithAuthorization(reader.addr, stranger.addr, 9, 0, type(uint256).max, nonce, signature);
        assertEq(token.balanceOf(stranger.addr), FUNDS + 9);
    }

    function test_RevertWhen_ReceivedBySomeoneElse() external {
        bytes memory signature = signReceive(reader, stranger.addr, 9, 0, type(uint256).max, 0);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, stranger.addr));
        vm.prank(relayer.addr);
        token.receiveWithAuthorization(reader.addr, stranger.addr, 9, 0, type(uint256).max, 0, signature);
    }

    function test_RevertWhen_AuthorizedByAnotherKey() external {
        bytes memory signature = signReceive(reader, stranger.addr, 9, 0, type(uint256).max, 0);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        vm.prank(stranger.addr);
        token.receiveWithAuthorization(user.addr, stranger.addr, 9, 0, type(uint256).max, 0, signature);
    }
}
