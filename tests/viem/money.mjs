// Signed messages of buying and of paying for use: AccessUsed, Buy, UsageVoucher, SpenderAuthorization.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { encodeAbiParameters, hashTypedData, keccak256, stringToHex } from 'viem'

import { ZERO, domainOf, now, one, typesOf } from './network.mjs'
import { READ, digest } from './world.mjs'

const USED = typesOf('AccessUsed(bytes32 collection,uint8 right,address holder,uint40 since)')
const VOUCHER = typesOf(
  'UsageVoucher(address payer,address payee,bytes32 collection,uint64 lane,uint128 amount,uint64 records,uint40 validUntil,bool fromDeposit)',
)
const SPENDER = typesOf('SpenderAuthorization(address payer,address spender,uint96 cap,uint40 expiry,uint24 nonce)')
const BUY =
  'Buy(uint256 chainId,address accessToken,address buyer,bytes32 collection,uint8 right,uint128 maxPrice,uint40 minDuration,uint40 minRefundWindow,bytes32 salt)'
const RECEIVE =
  'ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)'

/** @param network function that answers the started network */
export function money(network, world) {
  test('Buy and AccessUsed: one signature buys, the holder\'s word of use pays the publisher', async () => {
    const { client, accessToken, token, accounts } = network()
    const { reader, publisher, relayer } = accounts
    await world.offerRead({ price: 900n, refundWindow: 600 })
    const limits = { maxPrice: 1000n, minDuration: 3600, minRefundWindow: 600 }
    const validBefore = BigInt((await now(client)) + 3600)
    const purchase = {
      buyer: reader.address, collection: world.collection, right: READ, limits, validAfter: 0n, validBefore,
      salt: digest('purchase'),
    }
    const fields = typesOf(BUY).types.Buy
    const nonce = keccak256(
      encodeAbiParameters([{ type: 'bytes32' }, ...fields], [
        keccak256(stringToHex(BUY)), 31337n, accessToken.address, reader.address, world.collection, READ,
        limits.maxPrice, limits.minDuration, limits.minRefundWindow, purchase.salt,
      ]),
    )
    assert.equal(
      await accessToken.read('buyNonceOf', reader.address, world.collection, READ, limits, purchase.salt), nonce,
    )
    const signature = await world.signToken(reader, RECEIVE, {
      from: reader.address, to: accessToken.address, value: 1000n, validAfter: 0n, validBefore, nonce,
    })
    assert.equal(
      await accessToken.fails(relayer, 'buyWithAuthorization', { ...purchase, salt: ZERO }, signature),
      'ERC3009InvalidSignature',
    )
    const before = await token.read('balanceOf', reader.address)
    const bought = one(await accessToken.send(relayer, 'buyWithAuthorization', purchase, signature), 'AccessBought')
    assert.equal(await token.read('balanceOf', reader.address), before - 1000n)
    assert.equal(await accessToken.read('creditOf', reader.address), 100n)
    assert.equal(await accessToken.read('hasAccess', world.collection, reader.address, READ), true)

    const use = { collection: world.collection, right: READ, holder: reader.address, since: bought.since }
    const { domain } = await domainOf(accessToken)
    assert.equal(await accessToken.read('accessUseDigest', use), hashTypedData({ domain, ...USED, message: use }))
    const forged = await relayer.signTypedData({ domain, ...USED, message: use })
    assert.equal(await accessToken.fails(relayer, 'landUse', use, forged), 'Signatures_InvalidSignature')
    const word = await reader.signTypedData({ domain, ...USED, message: use })
    const events = await accessToken.send(relayer, 'landUse', use, word)
    assert.equal(one(events, 'AccessReleased').payee, publisher.address)
    assert.equal(await accessToken.read('creditOf', publisher.address), 900n)
    assert.equal(await accessToken.fails(reader, 'refund', world.collection, READ), 'AccessToken_NothingHeld')

    await accessToken.send(publisher, 'withdraw', publisher.address)
    assert.equal(await token.read('balanceOf', publisher.address), 900n)
  })

  test('UsageVoucher: what a payer signed is pulled, once, and only what is new', async () => {
    const { client, usageBilling, token, accounts } = network()
    const { reader, publisher, relayer } = accounts
    await token.send(reader, 'approve', usageBilling.address, 10_000n)
    const { domain } = await domainOf(usageBilling)
    const voucher = {
      payer: reader.address, payee: publisher.address, collection: world.collection, lane: 7n, amount: 300n,
      records: 3n, validUntil: (await now(client)) + 3600, fromDeposit: false,
    }
    assert.equal(await usageBilling.read('voucherDigest', voucher), hashTypedData({ domain, ...VOUCHER, message: voucher }))
    const signed = async (message, account = reader) => ({
      voucher: message, signer: account.address,
      signature: await account.signTypedData({ domain, ...VOUCHER, message }),
    })
    const before = await token.read('balanceOf', reader.address)
    const first = await signed(voucher)
    assert.equal(one(await usageBilling.send(relayer, 'settle', first), 'VoucherSettled').paid, 300n)
    assert.equal(await usageBilling.fails(relayer, 'settle', first), 'UsageBilling_NothingDue')
    const more = await signed({ ...voucher, amount: 500n, records: 5n })
    assert.equal(
      await usageBilling.fails(relayer, 'settle', { ...more, voucher: { ...more.voucher, amount: 501n } }),
      'Signatures_InvalidSignature',
    )
    const events = await usageBilling.send(relayer, 'settleBatch', [first, more])
    assert.equal(one(events, 'VoucherSkipped').amount, 300n)
    assert.equal(one(events, 'VoucherSettled').paid, 200n)
    assert.equal(await token.read('balanceOf', reader.address), before - 500n)
    assert.equal(await usageBilling.read('revenueOf', world.collection, publisher.address), 500n)

    await usageBilling.send(relayer, 'collectRevenue', publisher.address, [
      { registrant: publisher.address, terms: world.terms },
    ])
    assert.equal(await usageBilling.read('creditOf', publisher.address), 500n)
  })

  test('SpenderAuthorization: a key signs vouchers up to its cap, until it is revoked', async () => {
    const { client, usageBilling, accounts } = network()
    const { reader, publisher, relayer, spender } = accounts
    const { domain } = await domainOf(usageBilling)
    const time = await now(client)
    const authorization = {
      payer: reader.address, spender: spender.address, cap: 250n, expiry: time + 3600,
      nonce: (await usageBilling.read('spenderOf', reader.address, spender.address)).nonce,
    }
    assert.equal(
      await usageBilling.read('spenderAuthorizationDigest', authorization),
      hashTypedData({ domain, ...SPENDER, message: authorization }),
    )
    const voucher = {
      payer: reader.address, payee: publisher.address, collection: world.collection, lane: 8n, amount: 200n,
      records: 2n, validUntil: time + 3600, fromDeposit: false,
    }
    const signed = async (message) => ({
      voucher: message, signer: spender.address,
      signature: await spender.signTypedData({ domain, ...VOUCHER, message }),
    })
    const item = await signed(voucher)
    assert.equal(await usageBilling.fails(relayer, 'settle', item), 'UsageBilling_SpenderNotAuthorized')
    const word = await reader.signTypedData({ domain, ...SPENDER, message: authorization })
    assert.equal(
      one(await usageBilling.send(relayer, 'authorizeSpender', authorization, word), 'SpenderAuthorized').cap, 250n,
    )
    assert.equal(await usageBilling.fails(relayer, 'authorizeSpender', authorization, word), 'UsageBilling_WrongNonce')
    assert.equal(one(await usageBilling.send(relayer, 'settle', item), 'VoucherSettled').signer, spender.address)
    const over = await signed({ ...voucher, amount: 251n })
    assert.equal(await usageBilling.fails(relayer, 'settle', over), 'UsageBilling_CapExceeded')
    await usageBilling.send(reader, 'revokeSpender', spender.address)
    assert.equal(
      await usageBilling.fails(relayer, 'settle', await signed({ ...voucher, amount: 210n })),
      'UsageBilling_SpenderNotAuthorized',
    )
  })
}
