// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {TrainingCoordinator} from "offsetdata/TrainingCoordinator.sol";
import {RequestId} from "offsetdata/types/Ids.sol";
import {EscrowTerms, RequestDetails, RequestStatus} from "offsetdata/types/Training.sol";

import {TrainingBase} from "./TrainingBase.t.sol";

/// @notice A token without ERC-3009 whose fallback takes every call, as wrapped native money does.
contract WelcomingToken {
    fallback() external {
        assembly {
            mstore(0, 0)
            return(0, 32)
        }
    }
}

contract FundingTest is TrainingBase {
    EscrowTerms private escrow;
    RequestDetails private details;
    uint256 private amount;

    function setUp() public override {
        super.setUp();
        vm.prank(user.addr);
        token.approve(address(coordinator), 0);
        escrow = escrowTerms();
        details = detailsOf(oneInput());
        amount = coordinator.escrowOf(escrow);
    }

    // ---------------------------------------------------------------- ERC-2612

    function test_WhenPermit() external {
        (uint8 v, bytes32 r, bytes32 s) = signPermit(user, address(coordinator), amount, block.timestamp);
        vm.prank(user.addr);
        coordinator.requestWithPermit(escrow, details, oneInput(), block.timestamp, v, r, s);
        assertStatus(idOf(escrow, details), RequestStatus.OPEN);
        assertEq(token.balanceOf(address(coordinator)), amount);
    }

    function test_WhenPermitLandedBefore() external {
        (uint8 v, bytes32 r, bytes32 s) = signPermit(user, address(coordinator), amount, block.timestamp);
        vm.prank(stranger.addr);
        token.permit(user.addr, address(coordinator), amount, block.timestamp, v, r, s);
        vm.prank(user.addr);
        coordinator.requestWithPermit(escrow, details, oneInput(), block.timestamp, v, r, s);
        assertEq(token.balanceOf(address(coordinator)), amount);
    }

    function test_RevertWhen_PermitIsNotTheUsers() external {
        (uint8 v, bytes32 r, bytes32 s) = signPermit(stranger, address(coordinator), amount, block.timestamp);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(coordinator), 0, amount)
        );
        vm.prank(user.addr);
        coordinator.requestWithPermit(escrow, details, oneInput(), block.timestamp, v, r, s);
    }

    // ---------------------------------------------------------------- ERC-3009

    function _authorize(bytes32 nonce, uint256 value) private view returns (bytes memory) {
        return signReceive(user, address(coordinator), value, 0, block.timestamp + 1, nonce);
    }

    function _land(bytes memory signature) private {
        vm.prank(relayer.addr);
        coordinator.requestWithAuthorization(escrow, details, oneInput(), 0, block.timestamp + 1, signature);
    }

    function test_WhenAuthorizedAndLandedByAnyone() external {
        RequestId id = idOf(escrow, details);
        _land(_authorize(RequestId.unwrap(id), amount));
        assertStatus(id, RequestStatus.OPEN);
        assertEq(token.balanceOf(address(coordinator)), amount);
        assertEq(token.balanceOf(user.addr), FUNDS - amount);
    }

    function test_RevertWhen_AuthorizedForOtherTerms() external {
        bytes memory signature = _authorize(RequestId.unwrap(idOf(escrow, details)), amount);
        details.salt = keccak256("other");
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        _land(signature);
    }

    function test_RevertWhen_AuthorizedForLess() external {
        bytes memory signature = _authorize(RequestId.unwrap(idOf(escrow, details)), amount - 1);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        _land(signature);
    }

    function test_RevertGiven_TokenThatTakesEveryCall() external {
        WelcomingToken welcoming = new WelcomingToken();
        TrainingCoordinator other =
            new TrainingCoordinator(IERC20(address(welcoming)), collections, access, models, address(forwarder));
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(welcoming)));
        other.requestWithAuthorization(escrow, details, oneInput(), 0, block.timestamp, "");
    }
}
