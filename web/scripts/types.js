// Writes src/api/types.gen.ts from the document of the API; with --check it only tells whether the file is stale.
import { readFile, writeFile } from 'node:fs/promises'
import openapiTS, { astToString } from 'openapi-typescript'

const document = new URL('../../tests/fixtures/openapi.json', import.meta.url)
const target = new URL('../src/api/types.gen.ts', import.meta.url)

export async function types() {
  const ast = await openapiTS(JSON.parse(await readFile(document, 'utf8')))
  return `// Generated from tests/fixtures/openapi.json by \`npm run types\`.\n${astToString(ast)}`
}

if (process.argv[1] === new URL(import.meta.url).pathname) await writeFile(target, await types())
