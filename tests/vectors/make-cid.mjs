// Prints cid.json: the CIDs that ipfs-unixfs-importer gives to files whose byte i is i mod 251.
// Run it where `npm i ipfs-unixfs-importer@17.1.1 blockstore-core@7` was run: `node make-cid.mjs > cid.json`.
import { importer } from 'ipfs-unixfs-importer'
import { MemoryBlockstore } from 'blockstore-core/memory'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
const bytes = (n) => { const b = new Uint8Array(n); for (let i = 0; i < n; i++) b[i] = i % 251; return b }
const cid = async (size, chunk, links) => {
  const opts = { cidVersion: 1, rawLeaves: true, reduceSingleLeafToSelf: true, wrapWithDirectory: false,
    chunker: fixedSize({ chunkSize: chunk }), layout: balanced({ maxChildrenPerNode: links }) }
  let last
  for await (const entry of importer([{ path: 'f', content: bytes(size) }], new MemoryBlockstore(), opts)) last = entry
  return { size, blockBytes: chunk, maxLinks: links, cid: last.cid.toString() }
}
const MiB = 1 << 20
const cases = []
for (const size of [0, 1, 1000, MiB - 1, MiB, MiB + 1, 2 * MiB, 3 * MiB + 7, 66 * MiB]) cases.push(await cid(size, MiB, 1024))
for (const size of [1, 256, 257, 1024, 1025, 4096, 4097, 5000, 16384, 16385, 70001]) cases.push(await cid(size, 256, 4))
console.log(JSON.stringify({ content: 'byte i of a file is i mod 251', tool: 'ipfs-unixfs-importer 17.1.1', files: cases }, null, 2))
