// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RequestId} from "offsetdata/types/Ids.sol";
import {CommitItem, Commitment, DataInput, EscrowTerms, RequestDetails} from "offsetdata/types/Training.sol";

import {TrainingBase} from "../unit/TrainingCoordinator/TrainingBase.t.sol";

/// @notice Gas of what a training costs as transactions of its own, calldata included: FOUNDRY_PROFILE=optimized.
/// Ceilings are those of the design. Under the fast profile nothing is measured.
contract TrainingGasTest is TrainingBase {
    uint256 private constant NOT_FLAT_PERCENT = 2;
    uint256 private constant COMMIT_NEXT_CEILING = 50_000;
    uint256 private constant COMMIT_BATCH_CEILING = 27_000;
    uint256 private salts;

    function setUp() public override {
        super.setUp();
        // Accounts that the network has paid before, as in daily life.
        (EscrowTerms memory escrow, RequestDetails memory details,) = open();
        vm.warp(block.timestamp + 60);
        landFirst(escrow, details, 1, 600);
        landSettlement(escrow, details, 1200);
    }

    modifier measured() {
        if (keccak256(bytes(vm.envOr("FOUNDRY_PROFILE", string("default")))) != keccak256("optimized")) {
            vm.skip(true, "gas is measured in the optimized profile");
        }
        _;
    }

    // ---------------------------------------------------------------- request

    function test_Request() external measured {
        assertLe(_request("request", oneInput()), 150_000);
    }

    function test_RequestPerCollection() external measured {
        DataInput[] memory inputs = new DataInput[](5);
        for (uint256 i = 0; i < 5; ++i) {
            inputs[i] = wholeCollection();
            inputs[i].collection = i == 0 ? collection : registerCollection(string(abi.encode("more", i)), RECORDS);
        }
        uint256 one = _request("request1", oneInput());
        uint256 five = _request("request5", inputs);
        vm.snapshotValue("TrainingCoordinator", "requestPerCollection", (five - one) / 4);
        assertLe((five - one) / 4, 24_000);
    }

    function test_RequestWithPermit() external measured {
        vm.prank(user.addr);
        token.approve(address(coordinator), 0);
        // A second permit of the same account: its nonce is not zero any more.
        _permit();
        token.allowance(user.addr, address(coordinator));
        (EscrowTerms memory escrow, RequestDetails memory details) = _terms(oneInput());
        uint256 amount = coordinator.escrowOf(escrow);
        (uint8 v, bytes32 r, bytes32 s) = signPermit(user, address(coordinator), amount, block.timestamp);
        vm.prank(user.addr);
        coordinator.requestWithPermit(escrow, details, oneInput(), block.timestamp, v, r, s);
        assertLe(vm.snapshotGasLastCall("TrainingCoordinator", "requestPermit"), 180_000);
    }

    function test_RequestWithAuthorization() external measured {
        (EscrowTerms memory escrow, RequestDetails memory details) = _terms(oneInput());
        uint256 amount = coordinator.escrowOf(escrow);
        bytes32 nonce = RequestId.unwrap(idOf(escrow, details));
        bytes memory signature = signReceive(user, address(coordinator), amount, 0, block.timestamp + 1 hours, nonce);
        vm.prank(relayer.addr);
        coordinator.requestWithAuthorization(escrow, details, oneInput(), 0, block.timestamp + 1 hours, signature);
        vm.snapshotGasLastCall("TrainingCoordinator", "requestAuthorization");
    }

    function test_RequestIsFlatOverOpenRequests() external measured {
        uint256 at1 = _request("request@1", oneInput());
        _openMany(100);
        uint256 at100 = _request("request@100", oneInput());
        _openMany(9_900);
        uint256 at10000 = _request("request@10000", oneInput());
        assertApproxEqRel(at100, at1, NOT_FLAT_PERCENT * 1e16);
        assertApproxEqRel(at10000, at1, NOT_FLAT_PERCENT * 1e16);
    }

    // ---------------------------------------------------------------- landing

    function test_CommitFirstAndNext() external measured {
        (EscrowTerms memory escrow, RequestDetails memory details) = _opened();
        landFirst(escrow, details, 1, 600);
        assertLe(vm.snapshotGasLastCall("TrainingCoordinator", "commitFirst"), 110_000);
        landNext(escrow, details, 1200);
        assertLe(vm.snapshotGasLastCall("TrainingCoordinator", "commitNext"), COMMIT_NEXT_CEILING);
    }

    function test_CommitBatch() external measured {
        CommitItem[] memory items = new CommitItem[](20);
        for (uint256 i = 0; i < 20; ++i) {
            (EscrowTerms memory escrow, RequestDetails memory details) = _opened();
            landFirst(escrow, details, 1, 600);
            Commitment memory m = commitmentOf(1, 2, 1200);
            items[i] =
                CommitItem(escrow.landing, termsHashOf(escrow, details), m, signCommitment(idOf(escrow, details), m));
        }
        vm.prank(relayer.addr);
        coordinator.commitBatch(items);
        uint256 each = vm.snapshotGasLastCall("TrainingCoordinator", "commitBatch20") / 20;
        vm.snapshotValue("TrainingCoordinator", "commitBatch20Each", each);
        for (uint256 i = 0; i < 20; ++i) {
            assertEq(coordinator.stateOf(idOfLanding(items[i].landing, items[i].termsHash)).sequence, 2);
        }
        assertLe(each, COMMIT_BATCH_CEILING);
    }

    function test_ClaimAndSettle() external measured {
        (EscrowTerms memory escrow, RequestDetails memory details) = _opened();
        landFirst(escrow, details, 1, 600);
        landReceipt(escrow, details, 500);
        vm.snapshotGasLastCall("TrainingCoordinator", "claimDataFirst");
        landReceipt(escrow, details, RECORDS);
        vm.snapshotGasLastCall("TrainingCoordinator", "claimDataNext");
        landSettlement(escrow, details, 1200);
        assertLe(vm.snapshotGasLastCall("TrainingCoordinator", "settleTraining"), 160_000);
    }

    function test_Ends() external measured {
        (EscrowTerms memory escrow, RequestDetails memory details) = _opened();
        landFirst(escrow, details, 1, 600);
        vm.prank(developer.addr);
        coordinator.collect(escrow, hashOf(details));
        vm.snapshotGasLastCall("TrainingCoordinator", "collect");
        cancel(escrow, details);
        vm.snapshotGasLastCall("TrainingCoordinator", "requestCancel");
        landClosure(escrow, details);
        vm.snapshotGasLastCall("TrainingCoordinator", "close");
    }

    // ---------------------------------------------------------------- helpers

    function _permit() private {
        (uint8 v, bytes32 r, bytes32 s) = signPermit(user, address(1), 1, block.timestamp);
        token.permit(user.addr, address(1), 1, block.timestamp, v, r, s);
    }

    function _terms(DataInput[] memory inputs)
        private
        returns (EscrowTerms memory escrow, RequestDetails memory details)
    {
        escrow = escrowTerms();
        escrow.dataEscrow = uint128(RECORD_PRICE * RECORDS * inputs.length);
        details = detailsOf(inputs);
        details.salt = keccak256(abi.encode(++salts));
    }

    function _opened() private returns (EscrowTerms memory escrow, RequestDetails memory details) {
        (escrow, details) = _terms(oneInput());
        escrow.landing.openedAt -= 60;
        openWith(escrow, details, oneInput());
    }

    function _request(string memory name, DataInput[] memory inputs) private returns (uint256) {
        (EscrowTerms memory escrow, RequestDetails memory details) = _terms(inputs);
        openWith(escrow, details, inputs);
        return vm.snapshotGasLastCall("TrainingCoordinator", name);
    }

    /// @dev Call by call, so that memory does not grow, and not counted against the gas that a test has.
    function _openMany(uint256 count) private {
        vm.pauseGasMetering();
        token.mint(user.addr, count * 6_000_000);
        for (uint256 i = 0; i < count; ++i) {
            this.openOne();
        }
        vm.resumeGasMetering();
    }

    function openOne() external {
        (EscrowTerms memory escrow, RequestDetails memory details) = _terms(oneInput());
        openWith(escrow, details, oneInput());
    }
}
