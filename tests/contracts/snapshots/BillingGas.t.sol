// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DevToken} from "offsetdata/DevToken.sol";
import {SignedVoucher, UsageVoucher} from "offsetdata/types/Billing.sol";

import {BillingBase} from "../unit/UsageBilling/BillingBase.t.sol";

/// @notice Gas of vouchers as transactions of their own, calldata included: FOUNDRY_PROFILE=optimized.
/// Ceilings are those of the design; under the fast profile nothing is measured.
contract BillingGasTest is BillingBase {
    function setUp() public override {
        super.setUp();
        // The payee was paid before and the payers hold money of this contract, as in daily life.
        approve(user, type(uint256).max);
        billing.settle(signed(user, voucherOf(user, 0, 5000)));
    }

    function newToken() internal override returns (DevToken) {
        return new DevToken();
    }

    modifier measured() {
        if (keccak256(bytes(vm.envOr("FOUNDRY_PROFILE", string("default")))) != keccak256("optimized")) {
            vm.skip(true, "gas is measured in the optimized profile");
        }
        _;
    }

    function test_Voucher() external measured {
        approve(reader, 1_000_000_000);
        assertLe(_land("voucherFirst", reader, 5000, false), 85_000);
        assertLe(_land("voucherAgain", reader, 9000, false), 66_000);
    }

    function test_VoucherOfASpenderKey() external measured {
        approve(reader, 1_000_000_000);
        authorize(1_000_000);
        vm.snapshotGasLastCall("UsageBilling", "authorizeSpender");
        _land("voucherSpenderFirst", spender, 5000, false);
        _land("voucherSpenderAgain", spender, 9000, false);
    }

    function test_VoucherFromDeposit() external measured {
        deposit(reader, 1_000_000);
        vm.snapshotGasLastCall("UsageBilling", "depositFirst");
        _land("voucherFirstDeposit", reader, 5000, true);
        assertLe(_land("voucherAgainDeposit", reader, 9000, true), 55_000);
    }

    function test_BatchPulled() external measured {
        assertLe(_batch("voucherBatch50", false), 37_000);
    }

    function test_BatchFromDeposit() external measured {
        assertLe(_batch("voucherBatch50Deposit", true), 28_000);
    }

    function _voucher(Account memory payer, Account memory signer, uint128 amount, bool deposited)
        private
        view
        returns (SignedVoucher memory)
    {
        UsageVoucher memory voucher = voucherOf(payer, 0, amount);
        voucher.fromDeposit = deposited;
        return signed(signer, voucher);
    }

    function _land(string memory name, Account memory signer, uint128 amount, bool deposited)
        private
        returns (uint256)
    {
        SignedVoucher memory item = _voucher(reader, signer, amount, deposited);
        vm.prank(relayer.addr);
        billing.settle(item);
        return vm.snapshotGasLastCall("UsageBilling", name);
    }

    /// @dev Fifty readers of one publisher's collection, each for the second time. Gas of one.
    function _batch(string memory name, bool deposited) private returns (uint256 each) {
        SignedVoucher[] memory first = new SignedVoucher[](50);
        SignedVoucher[] memory again = new SignedVoucher[](50);
        for (uint256 i = 0; i < 50; ++i) {
            Account memory payer = funded(string.concat("payer ", vm.toString(i)));
            if (deposited) deposit(payer, 1_000_000);
            else approve(payer, 1_000_000_000);
            first[i] = _voucher(payer, payer, 5000, deposited);
            again[i] = _voucher(payer, payer, 9000, deposited);
        }
        assertEq(billing.settleBatch(first), 50 * 5000);
        vm.prank(relayer.addr);
        billing.settleBatch(again);
        each = vm.snapshotGasLastCall("UsageBilling", name) / 50;
        vm.snapshotValue("UsageBilling", string.concat(name, "Each"), each);
    }
}
