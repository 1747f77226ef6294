// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BaseId, MethodId, ModelId, ProjectId} from "offsetdata/types/Ids.sol";
import {MethodTerms, Visibility} from "offsetdata/types/Model.sol";

import {Base} from "../../Base.t.sol";

/// @notice A base with one method, a project and a restricted model that allows the reader.
abstract contract RegistryBase is Base {
    bytes32 internal constant DIGEST = keccak256("metadata");
    string internal constant URI = "ipfs://metadata";
    bytes32 internal constant SALT = keccak256("salt");

    BaseId internal base;
    MethodId internal method;
    ProjectId internal project;
    ModelId internal model;

    function setUp() public virtual override {
        super.setUp();
        vm.startPrank(developer.addr);
        base = models.publishBase(DIGEST, URI, SALT);
        method = models.offerMethod(base, "classify", terms());
        vm.startPrank(user.addr);
        project = models.createProject(DIGEST, URI, SALT);
        model = models.requestModel(project, base, Visibility.RESTRICTED, only(reader), DIGEST, URI, SALT);
        vm.stopPrank();
    }

    function terms() internal view returns (MethodTerms memory) {
        return MethodTerms(50, 1000, 2000, 3, scheduler.addr, keccak256("trainer"), keccak256("schema"));
    }

    function only(Account memory account) internal pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = account.addr;
    }

    function text(uint256 length) internal pure returns (string memory) {
        bytes memory result = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            result[i] = "a";
        }
        return string(result);
    }
}
