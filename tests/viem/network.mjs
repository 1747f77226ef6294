// A chain with the contracts on it, and what a client without any code of ours needs to speak to them: the committed
// ABIs, the committed addresses and viem. It checks nothing.

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import {
  createTestClient,
  decodeErrorResult,
  defineChain,
  http,
  parseEventLogs,
  publicActions,
  toHex,
  walletActions,
} from 'viem'
import { mnemonicToAccount } from 'viem/accounts'

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..')
const FIELDS = {
  token: 'DevToken',
  forwarder: 'ERC2771Forwarder',
  collectionRegistry: 'CollectionRegistry',
  accessToken: 'AccessToken',
  usageBilling: 'UsageBilling',
  modelRegistry: 'ModelRegistry',
  trainingCoordinator: 'TrainingCoordinator',
}
// Anvil's accounts by what they do here. They hold play money on a chain of play money.
const ROLES = ['deployer', 'publisher', 'reader', 'developer', 'user', 'worker', 'scheduler', 'relayer', 'stranger', 'spender']
const DEPLOY_MINUTES = 20

export const ZERO = `0x${'00'.repeat(32)}`
export const NOBODY = `0x${'00'.repeat(20)}`

export function committed(...parts) {
  return JSON.parse(readFileSync(path.join(ROOT, 'protocol', ...parts), 'utf8'))
}

/** Starts a chain and deploys, or deploys to the one at OFFSETDATA_TEST_RPC_URL. `stop` ends what was started. */
export async function start() {
  const given = process.env.OFFSETDATA_TEST_RPC_URL
  const port = given ? 0 : await freePort()
  const url = given ?? `http://127.0.0.1:${port}`
  const anvil = given
    ? undefined
    : spawn(path.join(ROOT, '.tools/bin/anvil'), ['--port', String(port), '--silent'], { stdio: 'ignore' })
  const stop = () => anvil?.kill('SIGKILL')
  process.once('exit', stop)
  try {
    const chain = defineChain({
      id: 31337,
      name: 'dev',
      nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
      rpcUrls: { default: { http: [url] } },
    })
    const accounts = Object.fromEntries(
      ROLES.map((role, addressIndex) => [
        role,
        mnemonicToAccount('test test test test test test test test test test test junk', { addressIndex }),
      ]),
    )
    const client = createTestClient({
      chain,
      mode: 'anvil',
      transport: http(url, { timeout: 30_000 }),
      pollingInterval: 50,
      account: accounts.deployer,
    })
      .extend(publicActions)
      .extend(walletActions)
    await until(() => client.getBlockNumber({ cacheTime: 0 }), 60)
    const before = committed('deployments', '31337.json')
    // Other nodes don't hold anvil's accounts. Everyone knows this key: it is no secret.
    const key = toHex(accounts.deployer.getHdKey().privateKey)
    const signing = given ? ['--private-key', key] : ['--unlocked', '--sender', accounts.deployer.address]
    await run('scripts/deploy', ['--rpc-url', url, ...signing])
    return { client, accounts, before, ...contractsOf(client), stop }
  } catch (error) {
    stop()
    throw error
  }
}

/** By field of the deployment: address, ABI, `read`, `send` (waits, returns the events of the contract) and `fails`. */
function contractsOf(client) {
  const deployment = committed('deployments', '31337.json')
  const contracts = {}
  for (const [field, name] of Object.entries(FIELDS)) {
    const file = committed('abi', `${name}.json`)
    const abi = Array.isArray(file) ? file : file.abi
    const address = deployment[field]
    contracts[field] = {
      address,
      abi,
      read: (functionName, ...args) => client.readContract({ address, abi, functionName, args }),
      send: async (account, functionName, ...args) => {
        const { request } = await client.simulateContract({ account, address, abi, functionName, args })
        const hash = await client.writeContract(request)
        const { logs } = await client.waitForTransactionReceipt({ hash, timeout: 30_000 })
        return parseEventLogs({ abi, logs: logs.filter((log) => log.address.toLowerCase() === address.toLowerCase()) })
      },
      /** The name of the contract's error; an empty string where the call succeeds. */
      fails: async (account, functionName, ...args) => {
        try {
          await client.simulateContract({ account, address, abi, functionName, args })
          return ''
        } catch (error) {
          const reason = error.walk?.((cause) => cause.name === 'ContractFunctionRevertedError')
          if (!reason) throw error
          // An error of the token comes through the contract that called it.
          return reason.data?.errorName ?? decodeErrorResult({ abi: contracts.token.abi, data: reason.raw }).errorName
        }
      },
    }
  }
  return contracts
}

/** The only event of this name. */
export function one(events, name) {
  const found = events.filter((event) => event.eventName === name)
  if (found.length !== 1) throw new Error(`expected one ${name}, found ${found.length} in ${events.map((e) => e.eventName)}`)
  return found[0].args
}

/** EIP-712 domain as the contract tells it (EIP-5267). */
export async function domainOf(contract) {
  const [fields, name, version, chainId, verifyingContract, salt, extensions] = await contract.read('eip712Domain')
  return { fields, salt, extensions, domain: { name, version, chainId: Number(chainId), verifyingContract } }
}

/** `TypeName(type name,…)` of docs/protocol.md as viem wants it. */
export function typesOf(text) {
  const [, primaryType, fields] = /^(\w+)\((.*)\)$/.exec(text)
  const list = fields.split(',').map((field) => {
    const [type, name] = field.trim().split(' ')
    return { type, name }
  })
  return { primaryType, types: { [primaryType]: list } }
}

export async function now(client) {
  return Number((await client.getBlock()).timestamp)
}

/** Lets time pass on the chain: at once with anvil, by waiting elsewhere. */
export async function pass(client, seconds) {
  if (process.env.OFFSETDATA_TEST_RPC_URL) {
    const end = (await now(client)) + seconds
    while ((await now(client)) < end) await new Promise((resolve) => setTimeout(resolve, 1000))
    return
  }
  await client.increaseTime({ seconds })
  await client.mine({ blocks: 1 })
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

async function until(attempt, seconds) {
  for (const end = Date.now() + seconds * 1000; ; ) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > end) throw error
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}

function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(path.join(ROOT, command), args, { cwd: ROOT, timeout: DEPLOY_MINUTES * 60_000 })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data))
    child.once('error', reject)
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${command} ended with ${code}:\n${output.slice(-3000)}`))))
  })
}
