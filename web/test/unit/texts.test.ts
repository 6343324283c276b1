import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { en } from '../../src/text/en'
import { ja } from '../../src/text/ja'

const values = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort()
const source = join(import.meta.dirname, '../../src')

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'text' ? [] : sources(path)
    return /\.(ts|svelte)$/.test(entry.name) && !entry.name.endsWith('.gen.ts') ? [path] : []
  })
}

test('both languages have the same sections and texts, with the same values in them', () => {
  expect(Object.keys(en)).toEqual(Object.keys(ja))
  for (const [section, texts] of Object.entries(ja)) {
    const english = en[section as keyof typeof en] as Record<string, string>
    expect(Object.keys(english), section).toEqual(Object.keys(texts))
    for (const [key, text] of Object.entries(texts as Record<string, string>)) {
      expect(text, `${section}.${key}`).not.toBe('')
      expect(values(english[key] ?? ''), `${section}.${key}`).toEqual(values(text))
    }
  }
})

test('every section of the texts is in the list of sections', () => {
  const files = readdirSync(join(source, 'text/ja')).filter((name) => name.endsWith('.json'))
  expect(Object.keys(ja)).toEqual(files.map((name) => name.replace('.json', '')).sort())
})

test('no Japanese text stands in the code', () => {
  const kana = /[ぁ-んァ-ヶ一-龠]/
  // The names of the languages themselves are the same in every language.
  const allowed = /日本語/
  const found = sources(source).flatMap((path) =>
    readFileSync(path, 'utf8').split('\n')
      .map((line, index) => ({ line: line.replace(/\/\/.*|<!--.*-->|\/\*.*|^\s*\*.*/g, ''), at: `${path}:${index + 1}` }))
      .filter(({ line }) => kana.test(line) && !allowed.test(line))
      .map(({ at }) => at))
  expect(found).toEqual([])
})
