// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Signatures} from "offsetdata/libraries/Signatures.sol";

import {Base} from "../Base.t.sol";
import {ContractAccount, GasBurningAccount, RevertingAccount} from "../mocks/Accounts.sol";

contract SignaturesHarness {
    function requireSigner(address expected, bytes32 digest, bytes calldata signature) external view {
        Signatures.requireSigner(expected, digest, signature);
    }
}

contract SignaturesTest is Base {
    bytes32 private constant DIGEST = keccak256("digest");

    SignaturesHarness private harness;

    function setUp() public override {
        super.setUp();
        harness = new SignaturesHarness();
    }

    function test_WhenSignedByTheKey() external view {
        harness.requireSigner(reader.addr, DIGEST, sign(reader, DIGEST));
    }

    function test_RevertWhen_SignedByAnotherKey() external {
        bytes memory signature = sign(stranger, DIGEST);
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, reader.addr));
        harness.requireSigner(reader.addr, DIGEST, signature);
    }

    function test_RevertWhen_ExpectedIsZeroAndNothingRecovers() external {
        bytes memory signature = abi.encodePacked(bytes32(uint256(1)), bytes32(uint256(1)), uint8(99));
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, address(0)));
        harness.requireSigner(address(0), DIGEST, signature);
    }

    function test_RevertWhen_MalleableS() external {
        (bytes memory signature, bytes32 high) = malleable(sign(reader, DIGEST));
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_MalleableSignature.selector, high));
        harness.requireSigner(reader.addr, DIGEST, signature);
    }

    function test_RevertWhen_LengthIsNot65() external {
        bytes memory signature = bytes.concat(sign(reader, DIGEST), hex"00");
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, reader.addr));
        harness.requireSigner(reader.addr, DIGEST, signature);
    }

    function test_GivenContractAccount_WhenItsKeySigned() external {
        ContractAccount account = new ContractAccount(reader.addr);
        harness.requireSigner(address(account), DIGEST, sign(reader, DIGEST));
    }

    function test_RevertGiven_ContractAccount_WhenAnotherKeySigned() external {
        ContractAccount account = new ContractAccount(reader.addr);
        bytes memory signature = sign(stranger, DIGEST);
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, address(account)));
        harness.requireSigner(address(account), DIGEST, signature);
    }

    function test_RevertGiven_ContractThatReverts() external {
        RevertingAccount account = new RevertingAccount();
        bytes memory signature = sign(reader, DIGEST);
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, address(account)));
        harness.requireSigner(address(account), DIGEST, signature);
    }

    function test_RevertGiven_ContractThatBurnsGas_WithinItsBound() external {
        GasBurningAccount account = new GasBurningAccount();
        bytes memory signature = sign(reader, DIGEST);
        uint256 before = gasleft();
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, address(account)));
        harness.requireSigner(address(account), DIGEST, signature);
        assertLt(before - gasleft(), 200_000);
    }
}
