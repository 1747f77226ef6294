// What the tests act on: funded accounts, a collection for sale, a base with a method, a model; and how they ask for
// more. It checks nothing.

import { encodeFunctionData, keccak256, toHex, zeroAddress } from 'viem'

import { ZERO, domainOf, now, one, typesOf } from './network.mjs'

export const RECORDS = 1000
export const RECORD_PRICE = 100n
export const UNIT_PRICE = 50n
export const READ = 0
export const TRAIN = 1

const FORWARD = typesOf(
  'ForwardRequest(address from,address to,uint256 value,uint256 gas,uint256 nonce,uint48 deadline,bytes data)',
)

export const digest = (text) => keccak256(toHex(text))

export async function build(network) {
  const { client, accounts, token, forwarder, collectionRegistry, accessToken, modelRegistry } = network
  const { publisher, developer, user, scheduler, relayer, worker, reader } = accounts
  for (const account of [reader, user]) await token.send(account, 'mint', account.address, 10n ** 12n)
  await token.send(user, 'approve', network.trainingCoordinator.address, 2n ** 256n - 1n)

  const terms = {
    contentRoot: digest('content'), recordCount: RECORDS, manifestDigest: digest('manifest'), previous: ZERO,
    policyDigest: ZERO, sharesRoot: ZERO, salt: digest('viem'),
  }
  const registered = await collectionRegistry.send(publisher, 'register', terms)
  const { id: collection } = one(registered, 'CollectionRegistered')
  const offer = {
    price: 0n, pricePerRecord: RECORD_PRICE, payee: publisher.address, duration: 0, refundWindow: 0, timed: false,
    metered: true, policy: zeroAddress,
  }
  await accessToken.send(publisher, 'setOffer', collection, TRAIN, offer)

  const base = one(await modelRegistry.send(developer, 'publishBase', digest('base'), '', ZERO), 'BasePublished').base
  const trainerDigest = digest('trainer')
  const offered = await modelRegistry.send(developer, 'offerMethod', base, 'classify', {
    unitPrice: UNIT_PRICE, maxUnitsPerSecond: 1000n, holdbackBps: 2000, intake: 3, scheduler: scheduler.address,
    trainerDigest, schemaDigest: digest('schema'),
  })
  const { method } = one(offered, 'MethodOffered')
  await modelRegistry.send(developer, 'setWorkers', base, [worker.address], true)
  const created = await modelRegistry.send(user, 'createProject', digest('project'), '', ZERO)
  const { project } = one(created, 'ProjectCreated')

  const newModel = async (name) => {
    const events = await modelRegistry.send(user, 'requestModel', project, base, 0, [], ZERO, '', digest(name))
    return one(events, 'ModelRequested').model
  }

  return {
    terms, collection, base, method, project, trainerDigest, newModel,
    model: await newModel('model'),

    /** Sells READ for an hour. */
    offerRead: ({ price, refundWindow }) =>
      accessToken.send(publisher, 'setOffer', collection, READ, {
        ...offer, price, pricePerRecord: 0n, duration: 3600, refundWindow, timed: true, metered: false,
      }),

    /** Sends a call as `from` through the forwarder; the relayer pays the gas. */
    forward: async (from, contract, functionName, ...args) => {
      const { domain } = await domainOf(forwarder)
      const message = {
        from: from.address, to: contract.address, value: 0n, gas: 1_000_000n,
        nonce: await forwarder.read('nonces', from.address), deadline: (await now(client)) + 3600,
        data: encodeFunctionData({ abi: contract.abi, functionName, args }),
      }
      const signature = await from.signTypedData({ domain, ...FORWARD, message })
      return forwarder.send(relayer, 'execute', { ...message, signature })
    },

    /** A permit or an authorization in the token's domain. */
    signToken: async (account, type, message) => {
      const { domain } = await domainOf(token)
      return account.signTypedData({ domain, ...typesOf(type), message })
    },
  }
}
