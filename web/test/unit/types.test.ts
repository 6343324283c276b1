import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { types } from '../../scripts/types.js'

test('the types of the API are those of its document; `npm run types` writes them', async () => {
  const written = readFileSync(new URL('../../src/api/types.gen.ts', import.meta.url), 'utf8')
  // Compared as a flag: a difference of 16,000 lines helps nobody.
  expect(written === (await types())).toBe(true)
}, 30_000)
