// The standards that wallets and marketplaces know: ERC-165, ERC-1155, ERC-721, ERC-2612, ERC-3009, ERC-2771, EIP-5267.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { encodeFunctionData, hashDomain, keccak256, parseSignature, toFunctionSelector, toHex, zeroHash } from 'viem'

import { NOBODY, ZERO, domainOf, now, one, typesOf } from './network.mjs'

const INTERFACES = { erc165: '0x01ffc9a7', erc1155: '0xd9b67a26', erc721: '0x80ac58cd', erc721Metadata: '0x5b5e139f' }
// The optional metadata of ERC-1155 is not there: what a token is stands in the collection's manifest.
const ERC1155_METADATA = '0x0e89341c'
const PERMIT = typesOf('Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)')
const RECEIVE = typesOf(
  'ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)',
)
const TRANSFER = { ...RECEIVE, primaryType: 'TransferWithAuthorization' }
TRANSFER.types = { TransferWithAuthorization: RECEIVE.types.ReceiveWithAuthorization }
const FORWARD = typesOf(
  'ForwardRequest(address from,address to,uint256 value,uint256 gas,uint256 nonce,uint48 deadline,bytes data)',
)

/** @param network function that answers the started network */
export function standards(network, world) {
  test('ERC-165: the ids of what each token is, and no other', async () => {
    const { accessToken, modelRegistry } = network()
    const told = async (contract, id) => contract.read('supportsInterface', id)
    assert.deepEqual(
      await Promise.all(['erc165', 'erc1155', 'erc721'].map((name) => told(accessToken, INTERFACES[name]))),
      [true, true, false],
    )
    assert.deepEqual(
      await Promise.all(Object.values(INTERFACES).map((id) => told(modelRegistry, id))),
      [true, false, true, true],
    )
    for (const contract of [accessToken, modelRegistry]) assert.equal(await told(contract, '0xffffffff'), false)
    assert.equal(await told(accessToken, ERC1155_METADATA), false)
    assert.equal(accessToken.abi.some((part) => part.type === 'function' && part.name === 'uri'), false)
  })

  test('ERC-1155: balances and TransferSingle of what is granted and revoked; nothing moves', async () => {
    const { accessToken, accounts } = network()
    const { publisher, reader, stranger } = accounts
    const { collection } = world
    const id = await accessToken.read('tokenIdOf', collection, 0)
    assert.equal(await accessToken.read('balanceOf', reader.address, id), 0n)

    const granted = await accessToken.send(publisher, 'grant', collection, 0, [reader.address], 2 ** 40 - 1)
    assert.deepEqual(one(granted, 'TransferSingle'), {
      operator: publisher.address, from: NOBODY, to: reader.address, id, value: 1n,
    })
    assert.equal(await accessToken.read('balanceOf', reader.address, id), 1n)
    assert.deepEqual(
      await accessToken.read('balanceOfBatch', [reader.address, stranger.address, reader.address], [id, id, id + 1n]),
      [1n, 0n, 0n],
    )
    assert.equal(
      await accessToken.fails(reader, 'safeTransferFrom', reader.address, stranger.address, id, 1n, '0x'),
      'AccessToken_NotTransferable',
    )
    assert.equal(
      await accessToken.fails(reader, 'safeBatchTransferFrom', reader.address, stranger.address, [id], [1n], '0x'),
      'AccessToken_NotTransferable',
    )
    assert.equal(
      await accessToken.fails(reader, 'setApprovalForAll', stranger.address, true), 'AccessToken_NotTransferable',
    )
    assert.equal(await accessToken.read('isApprovedForAll', reader.address, stranger.address), false)

    const revoked = await accessToken.send(publisher, 'revoke', collection, 0, [reader.address])
    assert.deepEqual(one(revoked, 'TransferSingle'), {
      operator: publisher.address, from: reader.address, to: NOBODY, id, value: 1n,
    })
    assert.equal(await accessToken.read('balanceOf', reader.address, id), 0n)
  })

  test('ERC-721: a model is owned, approved and moved, with its events', async () => {
    const { modelRegistry, accounts } = network()
    const { user, reader, stranger } = accounts
    const model = await world.newModel('moved')
    const id = BigInt(model)
    assert.equal(await modelRegistry.read('name'), 'Offsetdata Model')
    assert.equal(await modelRegistry.read('ownerOf', id), user.address)
    assert.equal(await modelRegistry.read('tokenURI', id), '')
    assert.equal(await modelRegistry.fails(stranger, 'ownerOf', id + 1n), 'ERC721NonexistentToken')
    assert.equal(await modelRegistry.fails(stranger, 'tokenURI', id + 1n), 'ERC721NonexistentToken')
    assert.equal(
      await modelRegistry.fails(stranger, 'transferFrom', user.address, stranger.address, id),
      'ERC721InsufficientApproval',
    )

    const approved = await modelRegistry.send(user, 'approve', stranger.address, id)
    assert.deepEqual(one(approved, 'Approval'), { owner: user.address, approved: stranger.address, tokenId: id })
    assert.equal(await modelRegistry.read('getApproved', id), stranger.address)
    const moved = await modelRegistry.send(stranger, 'transferFrom', user.address, reader.address, id)
    assert.deepEqual(one(moved, 'Transfer'), { from: user.address, to: reader.address, tokenId: id })
    assert.equal(await modelRegistry.read('getApproved', id), NOBODY)

    const held = await modelRegistry.read('balanceOf', user.address)
    const back = await modelRegistry.send(reader, 'safeTransferFrom', reader.address, user.address, id)
    assert.deepEqual(one(back, 'Transfer'), { from: reader.address, to: user.address, tokenId: id })
    assert.equal(await modelRegistry.read('balanceOf', user.address), held + 1n)
    // A contract that is no receiver of ERC-721 is refused.
    assert.equal(
      await modelRegistry.fails(user, 'safeTransferFrom', user.address, network().token.address, id),
      'ERC721InvalidReceiver',
    )
    const all = await modelRegistry.send(user, 'setApprovalForAll', stranger.address, true)
    assert.deepEqual(one(all, 'ApprovalForAll'), { owner: user.address, operator: stranger.address, approved: true })
    await modelRegistry.send(user, 'setApprovalForAll', stranger.address, false)
  })

  test('ERC-2612: a permit sets the allowance once', async () => {
    const { client, token, usageBilling, accounts } = network()
    const { reader, relayer } = accounts
    const { domain } = await domainOf(token)
    const message = {
      owner: reader.address, spender: usageBilling.address, value: 12_345n,
      nonce: await token.read('nonces', reader.address), deadline: BigInt((await now(client)) + 3600),
    }
    const { r, s, v } = parseSignature(await reader.signTypedData({ domain, ...PERMIT, message }))
    const permit = [message.owner, message.spender, message.value, message.deadline, Number(v), r, s]
    const events = await token.send(relayer, 'permit', ...permit)
    assert.equal(one(events, 'Approval').value, 12_345n)
    assert.equal(await token.read('allowance', reader.address, usageBilling.address), 12_345n)
    assert.equal(await token.fails(relayer, 'permit', ...permit), 'ERC2612InvalidSigner')
    await token.send(reader, 'approve', usageBilling.address, 0n)
  })

  test('ERC-2612: depositWithPermit needs no approval before', async () => {
    const { client, token, usageBilling, accounts } = network()
    const { reader, publisher } = accounts
    const { domain } = await domainOf(token)
    const message = {
      owner: reader.address, spender: usageBilling.address, value: 500n,
      nonce: await token.read('nonces', reader.address), deadline: BigInt((await now(client)) + 3600),
    }
    const { r, s, v } = parseSignature(await reader.signTypedData({ domain, ...PERMIT, message }))
    const events = await usageBilling.send(
      reader, 'depositWithPermit', publisher.address, 500n, message.deadline, Number(v), r, s,
    )
    assert.equal(one(events, 'Deposited').amount, 500n)
    assert.equal((await usageBilling.read('depositOf', reader.address, publisher.address)).balance, 500n)
  })

  test('ERC-3009: an authorization is redeemed by its receiver alone, and once', async () => {
    const { client, token, accounts } = network()
    const { reader, relayer, stranger } = accounts
    const { domain } = await domainOf(token)
    const message = {
      from: reader.address, to: relayer.address, value: 77n, validAfter: 0n,
      validBefore: BigInt((await now(client)) + 3600), nonce: keccak256(toHex('receive')),
    }
    const args = [message.from, message.to, message.value, message.validAfter, message.validBefore, message.nonce]
    const received = await reader.signTypedData({ domain, ...RECEIVE, message })
    assert.equal(await token.read('authorizationState', reader.address, message.nonce), false)
    assert.equal(await token.fails(stranger, 'receiveWithAuthorization', ...args, received), 'ERC20InvalidReceiver')
    const before = await token.read('balanceOf', relayer.address)
    const events = await token.send(relayer, 'receiveWithAuthorization', ...args, received)
    assert.equal(one(events, 'AuthorizationUsed').nonce, message.nonce)
    assert.equal(await token.read('balanceOf', relayer.address), before + 77n)
    assert.equal(await token.read('authorizationState', reader.address, message.nonce), true)
    assert.equal(
      await token.fails(relayer, 'receiveWithAuthorization', ...args, received), 'ERC3009UsedAuthorization',
    )
    // The form with three words, and the one that anyone may land.
    const next = { ...message, nonce: keccak256(toHex('transfer')) }
    const { r, s, v } = parseSignature(await reader.signTypedData({ domain, ...TRANSFER, message: next }))
    await token.send(stranger, 'transferWithAuthorization', ...args.slice(0, 5), next.nonce, Number(v), r, s)
    assert.equal(await token.read('balanceOf', relayer.address), before + 154n)
  })

  test('ERC-2771: a forwarded request counts as its signer alone', async () => {
    const { client, forwarder, modelRegistry, accounts } = network()
    const { reader, relayer } = accounts
    const { domain } = await domainOf(forwarder)
    const salt = keccak256(toHex('forwarded'))
    const message = {
      from: reader.address, to: modelRegistry.address, value: 0n, gas: 300_000n,
      nonce: await forwarder.read('nonces', reader.address), deadline: (await now(client)) + 3600,
      data: encodeFunctionData({ abi: modelRegistry.abi, functionName: 'createProject', args: [ZERO, '', salt] }),
    }
    const signature = await reader.signTypedData({ domain, ...FORWARD, message })
    const { nonce, ...request } = { ...message, signature }
    assert.equal(await forwarder.read('verify', request), true)
    const events = await forwarder.send(relayer, 'execute', request)
    assert.deepEqual(one(events, 'ExecutedForwardRequest'), { signer: reader.address, nonce, success: true })
    const project = await modelRegistry.read('projectIdOf', reader.address, ZERO, salt)
    assert.equal(await modelRegistry.read('projectOwnerOf', project), reader.address)
    assert.equal(await forwarder.fails(relayer, 'execute', request), 'ERC2771ForwarderInvalidSigner')
    assert.equal(
      await forwarder.fails(relayer, 'execute', { ...request, from: accounts.user.address }),
      'ERC2771ForwarderInvalidSigner',
    )
  })

  test('ERC-2771: a purchase and an offer through the forwarder', async () => {
    const { accessToken, accounts } = network()
    const id = await accessToken.read('tokenIdOf', world.collection, 0)
    await world.offerRead({ price: 0n, refundWindow: 0 })
    await world.forward(accounts.reader, accessToken, 'buy', world.collection, 0, {
      maxPrice: 0n, minDuration: 0, minRefundWindow: 0,
    })
    assert.equal(await accessToken.read('balanceOf', accounts.reader.address, id), 1n)
    await world.forward(accounts.publisher, accessToken, 'revoke', world.collection, 0, [accounts.reader.address])
    assert.equal(await accessToken.read('balanceOf', accounts.reader.address, id), 0n)
  })

  const NAMES = {
    token: 'Offsetdata Dev Dollar', forwarder: 'Offsetdata Forwarder', accessToken: 'Offsetdata AccessToken',
    usageBilling: 'Offsetdata UsageBilling', trainingCoordinator: 'Offsetdata TrainingCoordinator',
  }
  for (const [field, name] of Object.entries(NAMES)) {
    test(`EIP-5267: ${field} tells the domain that its signatures are in`, async () => {
      const contract = network()[field]
      const { fields, salt, extensions, domain } = await domainOf(contract)
      assert.deepEqual(domain, { name, version: '1', chainId: 31337, verifyingContract: contract.address })
      assert.deepEqual([fields, salt, extensions], ['0x0f', zeroHash, []])
      if (contract.abi.some((part) => part.name === 'DOMAIN_SEPARATOR')) {
        const separator = hashDomain({ domain, types: { EIP712Domain: DOMAIN } })
        assert.equal(await contract.read('DOMAIN_SEPARATOR'), separator)
      }
      assert.equal(toFunctionSelector('eip712Domain()'), '0x84b0196e')
    })
  }
}

const DOMAIN = [
  { name: 'name', type: 'string' },
  { name: 'version', type: 'string' },
  { name: 'chainId', type: 'uint256' },
  { name: 'verifyingContract', type: 'address' },
]
