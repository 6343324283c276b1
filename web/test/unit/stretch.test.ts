import { expect, test } from 'vitest'
import type { Block } from '../../src/state/minutes'
import { stretchOf } from '../../src/state/stretch'

const said = (id: number, start_ms: number, end_ms: number): Block => ({ kind: 'utterance', id, start_ms, end_ms, text: '', confidence: 1 })
const blocks: Block[] = [
  said(1, 0, 2_000), { kind: 'heading', id: 9, level: 1, text: '' }, said(2, 2_100, 4_000), said(3, 6_000, 8_000), { kind: 'gap', id: 4, start_ms: 8_000, end_ms: 12_000, reason: '' },
]

test('a little is heard beside the selection, but nothing that others said', () => {
  expect(stretchOf(blocks, [2])).toEqual({ from_ms: 2_000, until_ms: 4_400 })
  expect(stretchOf(blocks, [2, 3])).toEqual({ from_ms: 2_000, until_ms: 8_000 })
  expect(stretchOf(blocks, [1, 9])).toEqual({ from_ms: 0, until_ms: 2_100 })
})

test('what was never recognised can be chosen, too; a heading alone has no sound', () => {
  expect(stretchOf(blocks, [4])).toEqual({ from_ms: 8_000, until_ms: 12_400 })
  expect(stretchOf(blocks, [9])).toBeNull()
  expect(stretchOf(blocks, [])).toBeNull()
})

test('people who speak at the same time do not shorten what was chosen', () => {
  expect(stretchOf([said(1, 0, 5_000), said(2, 3_000, 7_000)], [2])).toEqual({ from_ms: 3_000, until_ms: 7_400 })
  expect(stretchOf([said(1, 0, 5_000), said(2, 3_000, 7_000)], [1])).toEqual({ from_ms: 0, until_ms: 5_000 })
})
