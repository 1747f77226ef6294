// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "forge-std/Vm.sol";

import {ITrainingCoordinator} from "offsetdata/interfaces/ITrainingCoordinator.sol";
import {Signatures} from "offsetdata/libraries/Signatures.sol";
import {RequestId} from "offsetdata/types/Ids.sol";
import {CommitItem, Commitment, EscrowTerms, RequestDetails} from "offsetdata/types/Training.sol";

import {GasBurningAccount} from "../../mocks/Accounts.sol";
import {TrainingBase} from "./TrainingBase.t.sol";

contract CommitBatchTest is TrainingBase {
    uint256 private salts;

    /// @dev A request of its own with its first commitment landed.
    function _started() private returns (EscrowTerms memory escrow, RequestDetails memory details, RequestId id) {
        escrow = escrowTerms();
        escrow.landing.openedAt -= 100;
        details = detailsOf(oneInput());
        details.salt = keccak256(abi.encode(++salts));
        id = openWith(escrow, details, oneInput());
        landFirst(escrow, details, 1, 500);
    }

    function _item(uint32 sequence, uint48 units) private returns (CommitItem memory item, RequestId id) {
        EscrowTerms memory escrow;
        RequestDetails memory details;
        (escrow, details, id) = _started();
        Commitment memory m = commitmentOf(1, sequence, units);
        item = CommitItem(escrow.landing, termsHashOf(escrow, details), m, signCommitment(id, m));
    }

    function _land(CommitItem[] memory items) private {
        vm.prank(relayer.addr);
        coordinator.commitBatch(items);
    }

    function _expectSkipped(RequestId id, uint32 sequence, bytes4 reason) private {
        vm.expectEmit(address(coordinator));
        emit ITrainingCoordinator.CommitmentSkipped(id, sequence, reason);
    }

    function test_WhenAllLand() external {
        CommitItem[] memory items = new CommitItem[](3);
        RequestId[] memory ids = new RequestId[](3);
        for (uint256 i = 0; i < 3; ++i) {
            (items[i], ids[i]) = _item(2, 900);
        }
        uint256 before = coordinator.creditOf(relayer.addr);
        _land(items);
        for (uint256 i = 0; i < 3; ++i) {
            assertEq(coordinator.stateOf(ids[i]).sequence, 2);
            assertEq(coordinator.stateOf(ids[i]).units, 900);
        }
        assertCredit(relayer, before + 3 * RELAY_FEE);
    }

    function test_WhenSomeCanNotLand_TheyAreSkippedWithTheirReason() external {
        CommitItem[] memory items = new CommitItem[](8);
        RequestId[] memory ids = new RequestId[](8);
        for (uint256 i = 0; i < 8; ++i) {
            (items[i], ids[i]) = _item(2, 900);
        }
        items[0].termsHash = keccak256("unknown");
        ids[0] = idOfLanding(items[0].landing, items[0].termsHash);
        items[1].commitment.attempt = 0;
        items[2].commitment.attempt = 2;
        items[3].commitment.sequence = 9;
        items[4].commitment.units = UNIT_LIMIT + 1;
        items[5].commitment.units = UNIT_LIMIT;
        vm.warp(uint256(items[5].landing.openedAt) + 99);
        items[6].commitment.lastValues = 0;
        (items[7].signature,) = malleable(items[7].signature);

        _expectSkipped(ids[0], 2, ITrainingCoordinator.TrainingCoordinator_UnknownRequest.selector);
        _expectSkipped(ids[1], 2, ITrainingCoordinator.TrainingCoordinator_StaleAttempt.selector);
        _expectSkipped(ids[2], 2, ITrainingCoordinator.TrainingCoordinator_AttemptNotAssigned.selector);
        _expectSkipped(ids[3], 9, ITrainingCoordinator.TrainingCoordinator_WrongSequence.selector);
        _expectSkipped(ids[4], 2, ITrainingCoordinator.TrainingCoordinator_UnitsOverLimit.selector);
        _expectSkipped(ids[5], 2, ITrainingCoordinator.TrainingCoordinator_UnitsTooFast.selector);
        _expectSkipped(ids[6], 2, Signatures.Signatures_InvalidSignature.selector);
        _expectSkipped(ids[7], 2, Signatures.Signatures_MalleableSignature.selector);
        uint256 before = coordinator.creditOf(relayer.addr);
        _land(items);
        for (uint256 i = 1; i < 8; ++i) {
            assertEq(coordinator.stateOf(ids[i]).sequence, 1);
        }
        assertCredit(relayer, before);
    }

    function test_WhenOneIsTooLateOrEnded_TheOthersLand() external {
        CommitItem[] memory items = new CommitItem[](3);
        RequestId[] memory ids = new RequestId[](3);
        (items[0], ids[0]) = _item(2, 600);
        vm.warp(uint256(items[0].landing.deadline) + items[0].landing.gracePeriod + 1);
        (items[1], ids[1]) = _item(2, 600);
        EscrowTerms memory escrow;
        RequestDetails memory details;
        (escrow, details, ids[2]) = _started();
        Commitment memory m = commitmentOf(1, 2, 600);
        items[2] = CommitItem(escrow.landing, termsHashOf(escrow, details), m, signCommitment(ids[2], m));
        landClosure(escrow, details);

        _expectSkipped(ids[0], 2, ITrainingCoordinator.TrainingCoordinator_TooLate.selector);
        _expectSkipped(ids[2], 2, ITrainingCoordinator.TrainingCoordinator_WrongStatus.selector);
        _land(items);
        assertEq(coordinator.stateOf(ids[1]).sequence, 2);
    }

    function test_WhenTwoOfOneRequest() external {
        (EscrowTerms memory escrow, RequestDetails memory details, RequestId id) = _started();
        Commitment memory second = commitmentOf(1, 2, 600);
        Commitment memory third = commitmentOf(1, 3, 700);
        bytes32 head = hashCommitment(id, coordinator.headOf(id), second);
        bytes32 termsHash = termsHashOf(escrow, details);
        CommitItem[] memory items = new CommitItem[](3);
        items[0] = CommitItem(escrow.landing, termsHash, second, signCommitment(id, second));
        items[1] = CommitItem(
            escrow.landing, termsHash, third, sign(worker, address(coordinator), hashCommitment(id, head, third))
        );
        items[2] = items[0];
        _expectSkipped(id, 2, ITrainingCoordinator.TrainingCoordinator_WrongSequence.selector);
        _land(items);
        assertEq(coordinator.stateOf(id).sequence, 3);
        assertEq(coordinator.headOf(id), hashCommitment(id, head, third));
    }

    function test_WhenAWorkerContractBurnsGas_TheOthersLand() external {
        CommitItem[] memory items = new CommitItem[](2);
        RequestId[] memory ids = new RequestId[](2);
        (items[0], ids[0]) = _item(2, 600);
        (items[1], ids[1]) = _item(2, 600);
        items[0].signature = "";
        vm.etch(worker.addr, address(new GasBurningAccount()).code);
        _expectSkipped(ids[0], 2, Signatures.Signatures_InvalidSignature.selector);
        _land(items);
        assertEq(coordinator.stateOf(ids[1]).sequence, 2);
    }

    function test_WhenEmpty_NothingHappens() external {
        vm.recordLogs();
        _land(new CommitItem[](0));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 0);
        assertCredit(relayer, 0);
    }
}
