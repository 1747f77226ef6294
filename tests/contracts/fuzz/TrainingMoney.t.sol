// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RequestId} from "offsetdata/types/Ids.sol";
import {MethodTerms} from "offsetdata/types/Model.sol";
import {EscrowTerms, RequestDetails} from "offsetdata/types/Training.sol";

import {TrainingBase} from "../unit/TrainingCoordinator/TrainingBase.t.sol";

/// @notice Whatever the prices, caps and course of a request: what was escrowed is credited to the wei, no more.
contract TrainingMoneyFuzzTest is TrainingBase {
    struct Course {
        uint128 unitPrice;
        uint16 holdbackBps;
        uint48 unitLimit;
        uint128 relayFee;
        uint32 relayFeeCap;
        uint8 landings;
        uint32 records;
        uint48 unitsEach;
        uint8 end;
        bool collects;
        bool cancels;
    }

    function testFuzz_EscrowIsDistributedToTheWei(Course memory c) external {
        (EscrowTerms memory escrow, RequestDetails memory details, RequestId id) = _open(c);
        uint256 escrowed = coordinator.escrowOf(escrow);
        vm.warp(block.timestamp + 1000);
        uint256 landings = _run(c, escrow, details);
        uint256 paidFor = coordinator.stateOf(id).units;
        bool settled = _end(c, escrow, details);
        _drain(escrow, details);

        uint256 pay = paidFor * escrow.unitPrice;
        if (!settled) pay = pay * (10_000 - escrow.holdbackBps) / 10_000;
        if (settled) ++landings;
        uint256 relay =
            escrow.landing.relayFee * (landings < escrow.landing.relayFeeCap ? landings : escrow.landing.relayFeeCap);
        uint256 data = uint256(coordinator.recordsPaidOf(id, 0)) * RECORD_PRICE;
        assertCredit(developer, pay);
        assertCredit(relayer, relay);
        assertCredit(publisher, data);
        assertCredit(user, escrowed - pay - relay - data);
        assertEq(token.balanceOf(address(coordinator)), escrowed);
    }

    function _open(Course memory c)
        private
        returns (EscrowTerms memory escrow, RequestDetails memory details, RequestId id)
    {
        escrow = escrowTerms();
        escrow.unitPrice = uint128(bound(c.unitPrice, 0, 1e24));
        escrow.holdbackBps = uint16(bound(c.holdbackBps, 0, 10_000));
        escrow.landing.unitLimit = uint48(bound(c.unitLimit, 1, 1_000_000));
        escrow.landing.relayFee = uint128(bound(c.relayFee, 0, 1e24));
        escrow.landing.relayFeeCap = uint32(bound(c.relayFeeCap, 0, 8));
        MethodTerms memory terms = methodTerms();
        terms.unitPrice = escrow.unitPrice;
        terms.holdbackBps = escrow.holdbackBps;
        vm.prank(developer.addr);
        models.offerMethod(base, "classify", terms);
        details = detailsOf(oneInput());
        deal(address(token), user.addr, coordinator.escrowOf(escrow));
        id = openWith(escrow, details, oneInput());
    }

    function _run(Course memory c, EscrowTerms memory escrow, RequestDetails memory details)
        private
        returns (uint256 landings)
    {
        landings = bound(c.landings, 1, 6);
        uint256 each = bound(c.unitsEach, 0, uint256(escrow.landing.unitLimit) / landings);
        landFirst(escrow, details, 1, uint48(each));
        for (uint256 i = 2; i <= landings; ++i) {
            landNext(escrow, details, uint48(each * i));
            if (c.collects && i == 2 && each * escrow.unitPrice * (10_000 - escrow.holdbackBps) / 10_000 != 0) {
                vm.prank(developer.addr);
                coordinator.collect(escrow, hashOf(details));
            }
        }
        uint256 records = bound(c.records, 0, RECORDS);
        if (records != 0) landReceipt(escrow, details, uint32(records));
        if (c.cancels) cancel(escrow, details);
    }

    function _end(Course memory c, EscrowTerms memory escrow, RequestDetails memory details)
        private
        returns (bool settled)
    {
        if (c.end % 3 == 0) {
            landSettlement(escrow, details, 0);
            return true;
        }
        if (c.end % 3 == 1) {
            landClosure(escrow, details);
            return false;
        }
        vm.warp(uint256(escrow.landing.deadline) + escrow.landing.gracePeriod + 1);
        coordinator.expire(escrow, hashOf(details));
    }

    /// @dev After the window the rest of the data escrow goes back, where there is any.
    function _drain(EscrowTerms memory escrow, RequestDetails memory details) private {
        RequestId id = idOf(escrow, details);
        if (coordinator.ledgerOf(id).closedAt == 0) {
            assertEq(coordinator.ledgerOf(id).dataPaid, escrow.dataEscrow);
            return;
        }
        vm.warp(block.timestamp + escrow.receiptWindow + 1);
        coordinator.releaseDataEscrow(escrow, hashOf(details));
    }
}
