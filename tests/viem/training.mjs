// Ids and signed messages of a training request, made from docs/protocol.md alone and landed.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { encodeAbiParameters, hashStruct, keccak256, parseSignature, stringToHex } from 'viem'

import { NOBODY, ZERO, domainOf, now, one, pass, typesOf } from './network.mjs'
import { RECORDS, RECORD_PRICE, UNIT_PRICE, digest } from './world.mjs'

const ASSIGNMENT = typesOf('Assignment(bytes32 request,uint8 attempt,address worker,uint32 resumePoint,uint40 validUntil)')
const COMMITMENT = typesOf(
  'Commitment(bytes32 request,uint8 attempt,uint32 sequence,bytes32 previousHead,bytes32 pointsDigest,uint32 pointCount,uint48 units,bytes32 lastValues)',
)
const RECEIPT = typesOf(
  'DataReceipt(bytes32 request,uint8 attempt,uint32 input,bytes32 collection,uint32 records,bytes32 recordsRoot)',
)
const SETTLEMENT = typesOf(
  'Settlement(bytes32 request,uint8 attempt,uint32 sequence,bytes32 head,uint32 pointCount,uint48 units,bytes32 artifactDigest,bytes32 artifactCid,bytes32 seriesRoot,bytes32 inputsRoot,bytes32 resultValues)',
)
const CLOSURE = typesOf('Closure(bytes32 request,uint32 sequence,bytes32 reasonDigest)')
const REQUEST =
  'TrainingRequest(uint256 chainId,address coordinator,uint48 unitLimit,uint64 maxUnitsPerSecond,uint128 relayFee,uint32 relayFeeCap,uint40 openedAt,uint40 startDeadline,uint40 deadline,uint32 gracePeriod,bytes32 termsHash)'
const LANDING = typesOf(REQUEST).types.TrainingRequest.slice(2, 10)
const TERMS = typesOf(
  'Terms(address user,address developer,address scheduler,uint128 unitPrice,uint16 holdbackBps,uint128 dataEscrow,uint32 receiptWindow)',
).types.Terms
const RELAY_FEE = 7000n

/** @param network function that answers the started network */
export function training(network, world) {
  const coordinator = () => network().trainingCoordinator

  /** Hash of the ABI encoding of a struct, by its type in the committed ABI. */
  function hashOf(functionName, input, value) {
    const { inputs } = coordinator().abi.find((part) => part.type === 'function' && part.name === functionName)
    return keccak256(encodeAbiParameters([inputs.find(({ name }) => name === input)], [value]))
  }

  /** A request of the whole collection by the user, unlike any other by its salt. */
  async function request(name, changed = {}) {
    const { client, accounts } = network()
    const time = await now(client)
    const inputs = [{
      collection: world.collection, selection: 0, selectionRoot: ZERO, first: 0, count: RECORDS, recordCap: RECORDS,
      pricePerRecord: RECORD_PRICE, payee: accounts.publisher.address,
    }]
    const details = {
      model: world.model, method: world.method, inputsHash: hashOf('request', 'inputs', inputs),
      hyperparametersDigest: digest('hyperparameters'), trainerDigest: world.trainerDigest, seed: digest('seed'),
      splitSeed: digest('split'), validationBps: 1000, testBps: 1000, parent: ZERO, salt: digest(name),
    }
    const landing = {
      unitLimit: 100_000, maxUnitsPerSecond: 1000n, relayFee: RELAY_FEE, relayFeeCap: 5, openedAt: time,
      startDeadline: time + 3600, deadline: time + 86_400, gracePeriod: 600,
    }
    const escrow = {
      user: accounts.user.address, developer: accounts.developer.address, scheduler: accounts.scheduler.address,
      unitPrice: UNIT_PRICE, holdbackBps: 2000, dataEscrow: RECORD_PRICE * BigInt(RECORDS), receiptWindow: 7200,
      landing, ...changed,
    }
    const detailsHash = hashOf('request', 'details', details)
    const termsHash = keccak256(
      encodeAbiParameters(
        [...TERMS, { type: 'bytes32' }], [...TERMS.map((field) => escrow[field.name]), detailsHash],
      ),
    )
    const id = keccak256(
      encodeAbiParameters(
        [{ type: 'bytes32' }, { type: 'uint256' }, { type: 'address' }, ...LANDING, { type: 'bytes32' }],
        [
          keccak256(stringToHex(REQUEST)), 31337n, coordinator().address,
          ...LANDING.map((field) => escrow.landing[field.name]), termsHash,
        ],
      ),
    )
    return { escrow, details, inputs, detailsHash, termsHash, id }
  }

  const sign = async (account, type, message) => {
    const { domain } = await domainOf(coordinator())
    return account.signTypedData({ domain, ...type, message })
  }

  /** The assignment of an attempt, with the scheduler's signature. */
  async function assign(id, attempt) {
    const { client, accounts } = network()
    const assignment = {
      attempt, worker: accounts.worker.address, resumePoint: 0, validUntil: (await now(client)) + 1800,
    }
    return [assignment, await sign(accounts.scheduler, ASSIGNMENT, { request: id, ...assignment })]
  }

  /** A commitment after `previousHead`, with the worker's signature and the head after it. */
  async function commitment(id, previousHead, attempt, sequence, units) {
    const message = {
      request: id, attempt, sequence, previousHead, pointsDigest: digest(`points ${sequence}`),
      pointCount: sequence * 10, units, lastValues: digest('values'),
    }
    const { request: _, previousHead: __, ...landed } = message
    return {
      landed, signature: await sign(network().accounts.worker, COMMITMENT, message),
      head: hashStruct({ ...COMMITMENT, data: message }),
    }
  }

  /** Opens a request and lands its first commitment. */
  async function begin(name) {
    const { client, accounts } = network()
    const made = await request(name)
    await coordinator().send(accounts.user, 'request', made.escrow, made.details, made.inputs)
    await pass(client, 60)
    const first = await commitment(made.id, ZERO, 1, 1, 1000)
    const assigned = await assign(made.id, 1)
    const events = await coordinator().send(
      accounts.relayer, 'commitAssigned', made.escrow, made.detailsHash, ...assigned, first.landed, first.signature,
    )
    return { ...made, first, assigned, events }
  }

  test('a request\'s id and its hashes, computed here, are the contract\'s', async () => {
    const { escrow, details, inputs, detailsHash, termsHash, id } = await request('ids')
    assert.equal(await coordinator().read('inputsHashOf', inputs), details.inputsHash)
    assert.equal(await coordinator().read('detailsHashOf', details), detailsHash)
    assert.equal(await coordinator().read('termsHashOf', escrow, detailsHash), termsHash)
    assert.equal(await coordinator().read('requestIdOf', escrow, detailsHash), id)
    const other = await request('ids', { landing: { ...escrow.landing, gracePeriod: 601 } })
    assert.notEqual(other.id, id)
    assert.equal(await coordinator().read('requestIdOf', other.escrow, detailsHash), other.id)
  })

  test('Assignment and Commitment: a request is opened, assigned and worked on', async () => {
    const { accounts } = network()
    const { id, escrow, detailsHash, termsHash, first, events, assigned } = await begin('worked on')
    assert.equal(one(events, 'AttemptAssigned').worker, accounts.worker.address)
    assert.equal(one(events, 'CommitmentLanded').request, id)
    assert.equal(await coordinator().read('headOf', id), first.head)

    const next = await commitment(id, first.head, 1, 2, 2000)
    // The same words by another key, or after another head, are nobody's.
    const forged = await sign(accounts.stranger, COMMITMENT, { request: id, previousHead: first.head, ...next.landed })
    assert.equal(
      await coordinator().fails(accounts.relayer, 'commit', escrow.landing, termsHash, next.landed, forged),
      'Signatures_InvalidSignature',
    )
    const before = await coordinator().read('creditOf', accounts.relayer.address)
    await coordinator().send(accounts.relayer, 'commit', escrow.landing, termsHash, next.landed, next.signature)
    assert.equal(await coordinator().read('headOf', id), next.head)
    assert.equal(await coordinator().read('creditOf', accounts.relayer.address), before + RELAY_FEE)
    assert.deepEqual(await coordinator().read('stateOf', id), {
      worker: accounts.worker.address, status: 1, attempt: 1, sequence: 2, units: 2000,
    })
    assert.equal(
      await coordinator().fails(
        accounts.relayer, 'commitAssigned', escrow, detailsHash, ...assigned, next.landed, next.signature,
      ),
      'TrainingCoordinator_StaleAttempt',
    )
  })

  test('Commitment: a batch lands what it can and says what it could not', async () => {
    const { accounts } = network()
    const [a, b] = [await begin('batch a'), await begin('batch b')]
    const items = []
    for (const made of [a, b]) {
      const { landed, signature } = await commitment(made.id, made.first.head, 1, 2, 1500)
      items.push({ landing: made.escrow.landing, termsHash: made.termsHash, commitment: landed, signature })
    }
    const events = await coordinator().send(accounts.relayer, 'commitBatch', [...items, items[0]])
    assert.equal(events.filter((event) => event.eventName === 'CommitmentLanded').length, 2)
    assert.equal(one(events, 'CommitmentSkipped').request, a.id)
  })

  test('DataReceipt and Settlement: data is paid, the result is a version of the model', async () => {
    const { accounts } = network()
    const { publisher, relayer, worker, developer } = accounts
    const { id, escrow, details, inputs, assigned, first } = await begin('settled')
    const receipt = { attempt: 1, input: 0, records: 10, recordsRoot: digest('records') }
    const receiptSignature = await sign(worker, RECEIPT, { request: id, collection: world.collection, ...receipt })
    const before = await coordinator().read('creditOf', publisher.address)
    const paid = await coordinator().send(
      relayer, 'claimData', escrow, details, inputs, ...assigned, receipt, receiptSignature,
    )
    assert.equal(one(paid, 'DataPaid').amount, 10n * RECORD_PRICE)
    assert.equal(await coordinator().read('creditOf', publisher.address), before + 10n * RECORD_PRICE)

    const settlement = {
      attempt: 1, sequence: 1, pointCount: 10, units: 1000, artifactDigest: digest('artifact'),
      artifactCid: digest('cid'), seriesRoot: digest('series'), inputsRoot: digest('inputs'),
      resultValues: digest('result'),
    }
    const message = { request: id, head: first.head, ...settlement }
    const signature = await sign(worker, SETTLEMENT, message)
    const earned = await coordinator().read('creditOf', developer.address)
    const events = await coordinator().send(relayer, 'settle', escrow, details, settlement, signature)
    const { model, version } = one(events, 'VersionAppended')
    assert.equal(model, world.model)
    assert.equal(
      await coordinator().read('versionDigestOf', model, version), hashStruct({ ...SETTLEMENT, data: message }),
    )
    assert.equal(await coordinator().read('creditOf', developer.address), earned + 1000n * UNIT_PRICE)
    assert.equal(one(events, 'RequestClosed').status, 2 + 1)
    assert.equal(
      await coordinator().fails(relayer, 'settle', escrow, details, settlement, signature),
      'TrainingCoordinator_WrongStatus',
    )
  })

  test('Closure: the scheduler gives up and the rest goes back', async () => {
    const { accounts } = network()
    const { id, escrow, detailsHash } = await begin('closed')
    const closure = { sequence: 1, reasonDigest: digest('reason') }
    const signature = await sign(accounts.scheduler, CLOSURE, { request: id, ...closure })
    const before = await coordinator().read('creditOf', accounts.user.address)
    const events = await coordinator().send(accounts.relayer, 'close', escrow, detailsHash, closure, signature)
    const { status, refunded } = one(events, 'RequestClosed')
    // 1000 units less the holdback of a fifth, and one relay fee, are gone.
    assert.equal(refunded, 100_000n * UNIT_PRICE - 800n * UNIT_PRICE + 4n * RELAY_FEE)
    assert.equal(status, 5)
    assert.equal(await coordinator().read('creditOf', accounts.user.address), before + refunded)
  })

  test('ERC-3009: requestWithAuthorization by anyone, with the request\'s id as nonce', async () => {
    const { client, token, accounts } = network()
    const { user, stranger } = accounts
    const { escrow, details, inputs, id } = await request('authorized')
    const value = await coordinator().read('escrowOf', escrow)
    const validBefore = BigInt((await now(client)) + 3600)
    const type =
      'ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)'
    const signature = await world.signToken(user, type, {
      from: user.address, to: coordinator().address, value, validAfter: 0n, validBefore, nonce: id,
    })
    const other = { ...details, salt: digest('not authorized') }
    assert.equal(
      await coordinator().fails(stranger, 'requestWithAuthorization', escrow, other, inputs, 0n, validBefore, signature),
      'ERC3009InvalidSignature',
    )
    const before = await token.read('balanceOf', user.address)
    const events = await coordinator().send(
      stranger, 'requestWithAuthorization', escrow, details, inputs, 0n, validBefore, signature,
    )
    assert.equal(one(events, 'TrainingRequested').request, id)
    assert.equal(await token.read('balanceOf', user.address), before - value)
    assert.equal(await token.read('authorizationState', user.address, id), true)
  })

  test('ERC-2612: requestWithPermit by a user without allowance', async () => {
    const { client, token, accounts } = network()
    const { user } = accounts
    await token.send(user, 'approve', coordinator().address, 0n)
    const { escrow, details, inputs, id } = await request('permitted')
    const value = await coordinator().read('escrowOf', escrow)
    const deadline = BigInt((await now(client)) + 3600)
    const nonce = await token.read('nonces', user.address)
    const { r, s, v } = parseSignature(
      await world.signToken(
        user, 'Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)',
        { owner: user.address, spender: coordinator().address, value, nonce, deadline },
      ),
    )
    const permit = [deadline, Number(v), r, s]
    const events = await coordinator().send(user, 'requestWithPermit', escrow, details, inputs, ...permit)
    assert.equal(one(events, 'TrainingRequested').request, id)
    await token.send(user, 'approve', coordinator().address, 2n ** 256n - 1n)
  })

  test('ERC-2771: a cancellation through the forwarder is the user\'s', async () => {
    const { accounts } = network()
    const { id, escrow, detailsHash } = await begin('cancelled')
    assert.equal(
      await coordinator().fails(accounts.stranger, 'requestCancel', escrow, detailsHash), 'TrainingCoordinator_NotUser',
    )
    await world.forward(accounts.user, coordinator(), 'requestCancel', escrow, detailsHash)
    assert.equal((await coordinator().read('stateOf', id)).status, 2)
  })

  test('what nobody requested is nobody\'s', async () => {
    const { id } = await request('never sent')
    assert.deepEqual(await coordinator().read('stateOf', id), {
      worker: NOBODY, status: 0, attempt: 0, sequence: 0, units: 0,
    })
  })
}
