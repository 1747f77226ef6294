// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DevToken} from "offsetdata/DevToken.sol";
import {
    DepositState,
    SignedVoucher,
    SpenderAuthorization,
    SpenderState,
    UsageVoucher
} from "offsetdata/types/Billing.sol";
import {CollectionId} from "offsetdata/types/Ids.sol";

import {Base} from "../../Base.t.sol";
import {UnreliableToken} from "../../mocks/Tokens.sol";

/// @notice Vouchers of the reader to the publisher, on a token that can be made unreliable.
abstract contract BillingBase is Base {
    uint128 internal constant PRICE = 100;

    Account internal spender;
    CollectionId internal collection;

    function setUp() public virtual override {
        super.setUp();
        spender = makeAccount("spender");
        collection = registerCollection("billing");
    }

    function newToken() internal virtual override returns (DevToken) {
        return new UnreliableToken();
    }

    function misbehave(address account, UnreliableToken.Mode mode) internal {
        UnreliableToken(address(token)).setMode(account, mode);
    }

    // ---------------------------------------------------------------- money

    function approve(Account memory payer, uint256 amount) internal {
        vm.prank(payer.addr);
        token.approve(address(billing), amount);
    }

    function deposit(Account memory payer, uint256 amount) internal {
        approve(payer, amount);
        vm.prank(payer.addr);
        billing.deposit(publisher.addr, amount);
    }

    function depositOf(Account memory payer) internal view returns (DepositState memory) {
        return billing.depositOf(payer.addr, publisher.addr);
    }

    // ---------------------------------------------------------------- vouchers

    function voucherOf(Account memory payer, uint64 lane, uint128 amount) internal view returns (UsageVoucher memory) {
        return UsageVoucher({
            payer: payer.addr,
            payee: publisher.addr,
            collection: collection,
            lane: lane,
            amount: amount,
            records: uint64(amount / PRICE),
            validUntil: uint40(block.timestamp + 1 hours),
            fromDeposit: true
        });
    }

    function signed(Account memory signer, UsageVoucher memory voucher) internal view returns (SignedVoucher memory) {
        return SignedVoucher(voucher, signer.addr, sign(signer, billing.voucherDigest(voucher)));
    }

    /// @dev A voucher of the reader in lane 0, signed by itself.
    function readerVoucher(uint128 amount) internal view returns (SignedVoucher memory) {
        return signed(reader, voucherOf(reader, 0, amount));
    }

    function settledOf(Account memory payer, uint64 lane) internal view returns (uint256) {
        return billing.settledOf(payer.addr, publisher.addr, collection, lane);
    }

    // ---------------------------------------------------------------- spender keys

    function authorizationOf(uint96 cap, uint24 nonce) internal view returns (SpenderAuthorization memory) {
        return SpenderAuthorization({
            payer: reader.addr,
            spender: spender.addr,
            cap: cap,
            expiry: uint40(block.timestamp + 30 minutes),
            nonce: nonce
        });
    }

    function authorize(uint96 cap) internal {
        SpenderAuthorization memory authorization = authorizationOf(cap, spenderState().nonce);
        bytes memory signature = sign(reader, billing.spenderAuthorizationDigest(authorization));
        vm.prank(relayer.addr);
        billing.authorizeSpender(authorization, signature);
    }

    function spenderState() internal view returns (SpenderState memory) {
        return billing.spenderOf(reader.addr, spender.addr);
    }
}
