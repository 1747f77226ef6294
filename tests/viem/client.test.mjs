// A client that is not ours (viem) against the deployed contracts: standards, ids and every EIP-712 message of
// docs/protocol.md. It needs anvil and scripts/deploy, and imports nothing of ours but ABIs and addresses.
// Run it by: node --test tests/viem/client.test.mjs

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { money } from './money.mjs'
import { committed, start } from './network.mjs'
import { standards } from './standards.mjs'
import { training } from './training.mjs'
import { build } from './world.mjs'

let started
const network = () => started
const world = {}

before(async () => {
  started = await start()
  Object.assign(world, await build(started))
})

after(() => started?.stop())

test('the committed addresses are where the contracts were deployed', async () => {
  assert.deepEqual(committed('deployments', '31337.json'), started.before)
  for (const field of ['token', 'forwarder', 'collectionRegistry', 'accessToken', 'usageBilling', 'modelRegistry', 'trainingCoordinator']) {
    assert.notEqual(await started.client.getCode({ address: started[field].address }), undefined, field)
  }
})

standards(network, world)
training(network, world)
money(network, world)
