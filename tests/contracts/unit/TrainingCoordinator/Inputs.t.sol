// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessToken} from "offsetdata/interfaces/IAccessToken.sol";
import {ITrainingCoordinator} from "offsetdata/interfaces/ITrainingCoordinator.sol";
import {Right} from "offsetdata/types/Access.sol";
import {CollectionId} from "offsetdata/types/Ids.sol";
import {MethodTerms} from "offsetdata/types/Model.sol";
import {DataInput, EscrowTerms, RequestDetails, RequestStatus, SelectionKind} from "offsetdata/types/Training.sol";

import {TrainingBase} from "./TrainingBase.t.sol";

contract InputsTest is TrainingBase {
    function _direct() private pure returns (DataInput memory) {
        return DataInput(CollectionId.wrap(0), SelectionKind.DIRECT, keccak256("root"), 0, 500, 500, 0, address(0));
    }

    function _send(DataInput memory input) private {
        DataInput[] memory inputs = new DataInput[](1);
        inputs[0] = input;
        _send(inputs);
    }

    function _send(DataInput[] memory inputs) private {
        EscrowTerms memory escrow = escrowTerms();
        uint256 total;
        for (uint256 i = 0; i < inputs.length; ++i) {
            total += uint256(inputs[i].pricePerRecord) * inputs[i].recordCap;
        }
        escrow.dataEscrow = uint128(total);
        RequestDetails memory details = detailsOf(inputs);
        vm.prank(user.addr);
        coordinator.request(escrow, details, inputs);
        assertStatus(idOf(escrow, details), RequestStatus.OPEN);
    }

    function _expect(bytes4 selector, uint256 input) private {
        vm.expectRevert(abi.encodeWithSelector(selector, input));
    }

    function _expectInvalid() private {
        _expect(ITrainingCoordinator.TrainingCoordinator_InvalidSelection.selector, 0);
    }

    function _intake(uint8 intake) private {
        MethodTerms memory terms = methodTerms();
        terms.intake = intake;
        vm.prank(developer.addr);
        models.offerMethod(base, "classify", terms);
    }

    // ---------------------------------------------------------------- list

    function test_RevertWhen_InputsAreNotThoseOfTheDetails() external {
        EscrowTerms memory escrow = escrowTerms();
        RequestDetails memory details = detailsOf(oneInput());
        DataInput[] memory others = oneInput();
        others[0].recordCap -= 1;
        vm.expectRevert(
            abi.encodeWithSelector(
                ITrainingCoordinator.TrainingCoordinator_InputsMismatch.selector,
                details.inputsHash,
                keccak256(abi.encode(others))
            )
        );
        vm.prank(user.addr);
        coordinator.request(escrow, details, others);
    }

    function test_RevertWhen_NoInputs() external {
        vm.expectRevert(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_InputCountOutOfRange.selector, 0, 16)
        );
        this.send(new DataInput[](0));
    }

    function test_RevertWhen_SeventeenInputs() external {
        DataInput[] memory inputs = new DataInput[](17);
        for (uint256 i = 0; i < 17; ++i) {
            inputs[i] = _direct();
        }
        vm.expectRevert(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_InputCountOutOfRange.selector, 17, 16)
        );
        this.send(inputs);
    }

    function test_WhenSixteenInputs() external {
        DataInput[] memory inputs = new DataInput[](16);
        for (uint256 i = 0; i < 16; ++i) {
            inputs[i] = i % 2 == 0 ? _direct() : wholeCollection();
        }
        _send(inputs);
    }

    /// @dev So that `expectRevert` meets one call.
    function send(DataInput[] calldata inputs) external {
        _send(inputs);
    }

    // ---------------------------------------------------------------- selections

    function test_WhenRangeOrBitmapWithin() external {
        DataInput memory input = wholeCollection();
        input.selection = SelectionKind.RANGE;
        input.first = 100;
        input.count = 900;
        input.recordCap = 50;
        _send(input);
        input.selection = SelectionKind.BITMAP;
        input.first = 0;
        input.selectionRoot = keccak256("bitmap");
        _send(input);
    }

    function test_RevertWhen_SelectionIsEmpty() external {
        DataInput memory input = wholeCollection();
        input.selection = SelectionKind.RANGE;
        input.count = 0;
        input.recordCap = 0;
        _expectInvalid();
        _sendOnce(input);
    }

    function test_RevertWhen_RangeLeavesTheCollection() external {
        DataInput memory input = wholeCollection();
        input.selection = SelectionKind.RANGE;
        input.first = 1;
        _expectInvalid();
        _sendOnce(input);
        input.first = type(uint32).max;
        _expectInvalid();
        _sendOnce(input);
    }

    function test_RevertWhen_AllIsNotAll() external {
        DataInput memory input = wholeCollection();
        input.count = RECORDS - 1;
        input.recordCap = 1;
        _expectInvalid();
        _sendOnce(input);
    }

    function test_RevertWhen_RootIsMissingOrTooMuch() external {
        DataInput memory input = wholeCollection();
        input.selection = SelectionKind.BITMAP;
        _expectInvalid();
        _sendOnce(input);
        input.selection = SelectionKind.ALL;
        input.selectionRoot = keccak256("bitmap");
        _expectInvalid();
        _sendOnce(input);
    }

    function test_RevertWhen_CapIsOverTheCount() external {
        DataInput memory input = wholeCollection();
        input.recordCap = RECORDS + 1;
        _expectInvalid();
        _sendOnce(input);
    }

    // ---------------------------------------------------------------- direct data and intake

    function test_WhenDirect() external {
        _send(_direct());
    }

    function test_RevertWhen_DirectNamesACollectionOrIsTooLarge() external {
        DataInput memory input = _direct();
        input.collection = collection;
        _expectInvalid();
        _sendOnce(input);
        input = _direct();
        input.count = 1_000_001;
        _expectInvalid();
        _sendOnce(input);
        input = _direct();
        input.selectionRoot = 0;
        _expectInvalid();
        _sendOnce(input);
    }

    function test_RevertWhen_DirectPaysSomeone() external {
        DataInput memory input = _direct();
        input.payee = stranger.addr;
        vm.expectRevert(
            abi.encodeWithSelector(
                ITrainingCoordinator.TrainingCoordinator_DataTermsNotQuoted.selector, 0, 0, address(0)
            )
        );
        _sendOnce(input);
    }

    function test_RevertGiven_MethodTakesOnlyDirect_WhenCollection() external {
        _intake(2);
        _send(_direct());
        _expect(ITrainingCoordinator.TrainingCoordinator_IntakeNotOffered.selector, 0);
        _sendOnce(wholeCollection());
    }

    function test_RevertGiven_MethodTakesOnlyCollections_WhenDirect() external {
        _intake(1);
        _send(wholeCollection());
        _expect(ITrainingCoordinator.TrainingCoordinator_IntakeNotOffered.selector, 0);
        _sendOnce(_direct());
    }

    // ---------------------------------------------------------------- collections and prices

    function test_RevertGiven_CollectionUnknownOrRetired() external {
        DataInput memory input = wholeCollection();
        input.collection = CollectionId.wrap(keccak256("nowhere"));
        _expect(ITrainingCoordinator.TrainingCoordinator_CollectionNotOpen.selector, 0);
        _sendOnce(input);
        vm.prank(publisher.addr);
        collections.retire(collection);
        _expect(ITrainingCoordinator.TrainingCoordinator_CollectionNotOpen.selector, 0);
        _sendOnce(wholeCollection());
    }

    function test_RevertWhen_PriceIsUnderTheOfferOrPayeeAnother() external {
        bytes memory expected = abi.encodeWithSelector(
            ITrainingCoordinator.TrainingCoordinator_DataTermsNotQuoted.selector, 0, RECORD_PRICE, publisher.addr
        );
        DataInput memory input = wholeCollection();
        input.pricePerRecord -= 1;
        vm.expectRevert(expected);
        _sendOnce(input);
        input = wholeCollection();
        input.payee = stranger.addr;
        vm.expectRevert(expected);
        _sendOnce(input);
    }

    function test_WhenPriceIsOverTheOffer() external {
        DataInput memory input = wholeCollection();
        input.pricePerRecord += 1;
        _send(input);
    }

    function test_GivenHolderOfTheTrainRight_WhenPriceIsZero() external {
        address[] memory holders = new address[](1);
        holders[0] = user.addr;
        vm.prank(publisher.addr);
        access.grant(collection, Right.TRAIN, holders, type(uint40).max);
        DataInput memory input = wholeCollection();
        input.pricePerRecord = 0;
        _send(input);
    }

    function test_RevertGiven_NoTrainRight() external {
        vm.prank(publisher.addr);
        access.clearOffer(collection, Right.TRAIN);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessToken.AccessToken_NoTrainingRight.selector, collection, user.addr)
        );
        _sendOnce(wholeCollection());
    }

    function test_RevertWhen_DataEscrowIsNotTheSum() external {
        _sendEscrowing(uint256(RECORD_PRICE) * RECORDS + 1);
        _sendEscrowing(uint256(RECORD_PRICE) * RECORDS - 1);
        _sendEscrowing(0);
    }

    function _sendEscrowing(uint256 wrong) private {
        EscrowTerms memory escrow = escrowTerms();
        uint256 sum = escrow.dataEscrow;
        escrow.dataEscrow = uint128(wrong);
        RequestDetails memory details = detailsOf(oneInput());
        vm.expectRevert(
            abi.encodeWithSelector(ITrainingCoordinator.TrainingCoordinator_DataEscrowMismatch.selector, sum, wrong)
        );
        vm.prank(user.addr);
        coordinator.request(escrow, details, oneInput());
    }

    function _sendOnce(DataInput memory input) private {
        DataInput[] memory inputs = new DataInput[](1);
        inputs[0] = input;
        this.send(inputs);
    }
}
