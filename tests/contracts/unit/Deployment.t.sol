// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC2771Context} from "@openzeppelin/contracts/metatx/ERC2771Context.sol";

import {Base} from "../Base.t.sol";

/// @notice What each contract was told for ever when it was deployed.
contract DeploymentTest is Base {
    function test_TheyNameTheTokenAndEachOther() external view {
        assertEq(address(access.token()), address(token));
        assertEq(address(billing.token()), address(token));
        assertEq(address(coordinator.token()), address(token));
        assertEq(address(access.registry()), address(collections));
        assertEq(address(billing.registry()), address(collections));
        assertEq(address(coordinator.collectionRegistry()), address(collections));
        assertEq(address(coordinator.accessToken()), address(access));
        assertEq(address(coordinator.modelRegistry()), address(models));
    }

    function test_TheyTrustOneForwarder() external view {
        address[5] memory all =
            [address(collections), address(access), address(billing), address(models), address(coordinator)];
        for (uint256 i = 0; i < all.length; ++i) {
            assertEq(ERC2771Context(all[i]).trustedForwarder(), address(forwarder));
            assertTrue(ERC2771Context(all[i]).isTrustedForwarder(address(forwarder)));
            assertFalse(ERC2771Context(all[i]).isTrustedForwarder(relayer.addr));
        }
    }
}
