// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {TrainingCoordinator} from "offsetdata/TrainingCoordinator.sol";
import {ICredits} from "offsetdata/interfaces/ICredits.sol";
import {ITrainingCoordinator} from "offsetdata/interfaces/ITrainingCoordinator.sol";
import {Signatures} from "offsetdata/libraries/Signatures.sol";
import {RequestId} from "offsetdata/types/Ids.sol";
import {EscrowTerms, RequestDetails, RequestStatus, Settlement} from "offsetdata/types/Training.sol";

import {RevertingAccount} from "../../mocks/Accounts.sol";
import {UnreliableToken} from "../../mocks/Tokens.sol";
import {TrainingBase} from "./TrainingBase.t.sol";

contract SettleTest is TrainingBase {
    EscrowTerms private escrow;
    RequestDetails private details;
    RequestId private id;

    function setUp() public override {
        super.setUp();
        (escrow, details, id) = open();
        vm.warp(block.timestamp + 50);
        landFirst(escrow, details, 1, 5000);
    }

    function _settle(Settlement memory m, bytes memory signature) private {
        vm.prank(relayer.addr);
        coordinator.settle(escrow, details, m, signature);
    }

    function _settleExpecting(bytes memory expected, Settlement memory m) private {
        bytes memory signature = signSettlement(id, m);
        vm.expectRevert(expected);
        _settle(m, signature);
    }

    // ---------------------------------------------------------------- the way it should go

    function test_WhenSigned_AllIsPaidToTheWeiAndAVersionAppended() external {
        landReceipt(escrow, details, 400);
        Settlement memory m = settlementOf(1, 1, 7000);
        uint256 developerPaid = 7000 * uint256(UNIT_PRICE);
        uint256 refunded = (UNIT_LIMIT - 7000) * uint256(UNIT_PRICE) + (RELAY_CAP - 2) * RELAY_FEE;
        bytes memory signature = signSettlement(id, m);
        vm.expectEmit(address(coordinator));
        emit ITrainingCoordinator.VersionAppended(model, id, 1, worker.addr, m);
        vm.expectEmit(address(coordinator));
        emit ITrainingCoordinator.RequestClosed(
            id, RequestStatus.SETTLED, 7000, developerPaid, 2 * RELAY_FEE, refunded, 0
        );
        bytes32 digest = hashSettlement(id, coordinator.headOf(id), m);
        _settle(m, signature);

        assertStatus(id, RequestStatus.SETTLED);
        assertEq(coordinator.stateOf(id).units, 7000);
        assertEq(coordinator.versionCountOf(model), 1);
        assertEq(coordinator.versionDigestOf(model, 1), digest);
        assertEq(coordinator.versionDigestOf(model, 2), 0);
        assertCredit(developer, developerPaid);
        assertCredit(relayer, 2 * RELAY_FEE);
        assertCredit(user, refunded);
        assertCredit(publisher, 400 * RECORD_PRICE);
        uint256 standing = (RECORDS - 400) * RECORD_PRICE;
        assertEq(
            token.balanceOf(address(coordinator)),
            developerPaid + 2 * RELAY_FEE + refunded + 400 * RECORD_PRICE + standing
        );
        vm.warp(block.timestamp + escrow.receiptWindow + 1);
        coordinator.releaseDataEscrow(escrow, hashOf(details));
        _withdrawAll();
        assertEq(token.balanceOf(address(coordinator)), 0);
        assertEq(token.balanceOf(user.addr), FUNDS - developerPaid - 2 * RELAY_FEE - 400 * RECORD_PRICE, "to the wei");
    }

    function _withdrawAll() private {
        Account[4] memory accounts = [developer, relayer, user, publisher];
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(accounts[i].addr);
            coordinator.withdraw(accounts[i].addr);
        }
    }

    function test_WhenFewerUnitsThanCommitted_TheMarkStays() external {
        landSettlement(escrow, details, 100);
        assertEq(coordinator.stateOf(id).units, 5000);
        assertCredit(developer, 5000 * uint256(UNIT_PRICE));
    }

    function test_GivenCollectedBefore_TheRestIsPaid() external {
        vm.prank(developer.addr);
        coordinator.collect(escrow, hashOf(details));
        assertCredit(developer, 5000 * uint256(UNIT_PRICE) * 8000 / 10_000);
        landSettlement(escrow, details, 6000);
        assertCredit(developer, 6000 * uint256(UNIT_PRICE));
    }

    function test_GivenCancelling_WhenWithinTheGrace() external {
        cancel(escrow, details);
        vm.warp(block.timestamp + escrow.landing.gracePeriod);
        landSettlement(escrow, details, 6000);
        assertStatus(id, RequestStatus.SETTLED);
    }

    function test_WhenAllDataWasPaid_NothingStays() external {
        landReceipt(escrow, details, RECORDS);
        landSettlement(escrow, details, 6000);
        assertEq(coordinator.ledgerOf(id).closedAt, 0);
        vm.expectRevert(ITrainingCoordinator.TrainingCoordinator_NothingToPay.selector);
        coordinator.releaseDataEscrow(escrow, hashOf(details));
    }

    function test_WhenRetrained_VersionsCount() external {
        landSettlement(escrow, details, 6000);
        details.parent = id;
        escrow.landing.openedAt = uint40(block.timestamp) - 60;
        openWith(escrow, details, oneInput());
        landFirst(escrow, details, 1, 100);
        landSettlement(escrow, details, 200);
        assertEq(coordinator.versionCountOf(model), 2);
        assertTrue(coordinator.versionDigestOf(model, 2) != coordinator.versionDigestOf(model, 1));
    }

    // ---------------------------------------------------------------- refusals

    function test_RevertGiven_NothingLanded() external {
        details.salt = keccak256("other");
        escrow.landing.openedAt = uint40(block.timestamp) - 50;
        id = openWith(escrow, details, oneInput());
        bytes4 selector = ITrainingCoordinator.TrainingCoordinator_WrongSequence.selector;
        _settleExpecting(abi.encodeWithSelector(selector, 0, 1), settlementOf(0, 0, 0));
        _settleExpecting(abi.encodeWithSelector(selector, 1, 1), settlementOf(0, 1, 0));
    }

    function test_RevertWhen_SequenceIsNotTheLandedOne() external {
        bytes4 selector = ITrainingCoordinator.TrainingCoordinator_WrongSequence.selector;
        _settleExpecting(abi.encodeWithSelector(selector, 2, 1), settlementOf(1, 2, 6000));
        Settlement memory m = settlementOf(1, 1, 6000);
        bytes memory signature = signSettlement(id, m);
        landNext(escrow, details, 6000);
        vm.expectRevert(abi.encodeWithSelector(selector, 1, 2));
        _settle(m, signature);
    }

    function test_RevertWhen_AttemptIsStaleOrNotAssigned() external {
        landFirst(escrow, details, 2, 6000);
        _settleExpecting(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_StaleAttempt.selector, 1, 2),
            settlementOf(1, 2, 6000)
        );
        _settleExpecting(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_AttemptNotAssigned.selector, 3, 2),
            settlementOf(3, 2, 6000)
        );
    }

    function test_RevertWhen_UnitsAreOverTheLimitOrTooFast() external {
        _settleExpecting(
            abi.encodeWithSelector(
                ITrainingCoordinator.TrainingCoordinator_UnitsOverLimit.selector, UNIT_LIMIT + 1, UNIT_LIMIT
            ),
            settlementOf(1, 1, UNIT_LIMIT + 1)
        );
        _settleExpecting(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_UnitsTooFast.selector, 50_001, 50_000),
            settlementOf(1, 1, 50_001)
        );
    }

    function test_RevertWhen_GraceIsOver() external {
        uint256 last = uint256(escrow.landing.deadline) + escrow.landing.gracePeriod;
        vm.warp(last + 1);
        _settleExpecting(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_TooLate.selector, last),
            settlementOf(1, 1, 6000)
        );
    }

    function test_RevertWhen_Replayed() external {
        Settlement memory m = settlementOf(1, 1, 6000);
        bytes memory signature = signSettlement(id, m);
        _settle(m, signature);
        vm.expectRevert(
            abi.encodeWithSelector(
                ITrainingCoordinator.TrainingCoordinator_WrongStatus.selector, id, RequestStatus.SETTLED
            )
        );
        _settle(m, signature);
    }

    function test_RevertGiven_UnknownRequest() external {
        details.salt = keccak256("other");
        id = idOf(escrow, details);
        _settleExpecting(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_UnknownRequest.selector, id),
            settlementOf(1, 1, 6000)
        );
    }

    function test_RevertWhen_NotTheWorkersWord() external {
        Settlement memory m = settlementOf(1, 1, 6000);
        bytes32 structHash = hashSettlement(id, coordinator.headOf(id), m);
        bytes memory forged = sign(scheduler, address(coordinator), structHash);
        bytes memory expected = abi.encodeWithSelector(Signatures.Signatures_InvalidSignature.selector, worker.addr);
        vm.expectRevert(expected);
        _settle(m, forged);
        forged = sign(worker, address(coordinator), hashSettlement(id, keccak256("other head"), m));
        vm.expectRevert(expected);
        _settle(m, forged);
        string memory name = "Offsetdata TrainingCoordinator";
        forged = sign(worker, digestIn(name, "1", block.chainid + 1, address(coordinator), structHash));
        vm.expectRevert(expected);
        _settle(m, forged);
        bytes32 s;
        (forged, s) = malleable(signSettlement(id, m));
        vm.expectRevert(abi.encodeWithSelector(Signatures.Signatures_MalleableSignature.selector, s));
        _settle(m, forged);
    }

    // ---------------------------------------------------------------- payees and tokens

    function test_GivenPayeeThatReverts_TheOthersArePaid() external {
        vm.etch(developer.addr, address(new RevertingAccount()).code);
        landSettlement(escrow, details, 6000);
        vm.prank(user.addr);
        uint256 paid = coordinator.withdraw(user.addr);
        assertGt(paid, 0);
        assertCredit(developer, 6000 * uint256(UNIT_PRICE));
    }

    function test_RevertGiven_TokenThatAnswersFalse_WhenWithdrawn_TheCreditStays() external {
        UnreliableToken unreliable = new UnreliableToken();
        coordinator = new TrainingCoordinator(unreliable, collections, access, models, address(forwarder));
        unreliable.mint(user.addr, FUNDS);
        vm.prank(user.addr);
        unreliable.approve(address(coordinator), type(uint256).max);
        details.salt = keccak256("unreliable");
        escrow.landing.openedAt = uint40(block.timestamp) - 50;
        openWith(escrow, details, oneInput());
        landFirst(escrow, details, 1, 100);
        landSettlement(escrow, details, 200);
        uint256 credit = coordinator.creditOf(developer.addr);
        assertEq(credit, 200 * uint256(UNIT_PRICE));

        unreliable.setMode(developer.addr, UnreliableToken.Mode.ANSWERS_FALSE);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(unreliable)));
        vm.prank(developer.addr);
        coordinator.withdraw(developer.addr);
        assertCredit(developer, credit);
        vm.prank(user.addr);
        coordinator.withdraw(user.addr);
        vm.expectRevert(abi.encodeWithSelector(ICredits.Credits_NothingToWithdraw.selector, user.addr));
        vm.prank(user.addr);
        coordinator.withdraw(user.addr);
    }
}
