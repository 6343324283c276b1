import { expect, test } from 'vitest'
import type { Block, Utterance } from '../../src/state/minutes'
import { heardAt, nextSpeed, resumeAt, timeline } from '../../src/state/player'
import { timeAt, wordStarts } from '../../src/state/tie'
import { unsure } from '../../src/state/unsure'

const said = (id: number, start_ms: number, text = 'はい'): Utterance => ({ kind: 'utterance', id, start_ms, end_ms: start_ms + 900, text, confidence: 1 })
const word = (text: string, start_ms: number, confidence = 0.9) => ({ text, start_ms, end_ms: start_ms + 100, confidence })

test('playing goes on a little before where it stopped, but exactly where somebody chose', () => {
  expect([resumeAt(10_000, false), resumeAt(10_000, true), resumeAt(1_000, false)]).toEqual([7_500, 10_000, 0])
})

test('speeds go in tenths between half and double', () => {
  expect([nextSpeed(1, 1), nextSpeed(1, -1), nextSpeed(2, 1), nextSpeed(0.5, -1)]).toEqual([1.1, 0.9, 2, 0.5])
})

test('what is heard is the last utterance that has begun; what is hidden is not heard', () => {
  const blocks: Block[] = [said(1, 0), { ...said(2, 1_000), hidden: 'silence' }, { kind: 'gap', id: 3, start_ms: 1_500, end_ms: 1_900, reason: 'x' }, said(4, 2_000)]
  const line = timeline(blocks)
  expect([heardAt(line, 500)?.id, heardAt(line, 1_200)?.id, heardAt(line, 2_000)?.id, heardAt(timeline([]), 5)]).toEqual([1, 1, 4, null])
})

test('an edited text is still tied to its sound', () => {
  const words = [word('来習', 0), word('の', 200), word('会議', 400)]
  expect(wordStarts('来週の会議', words)).toEqual([0, 2, 3])
  expect(wordStarts('始めます。次に', [word('始め', 0), word('ます', 1), word('次に', 2)])).toEqual([0, 2, 5])
  expect(wordStarts('会議です', [word('えーと', 0), word('会議', 1), word('です', 2)])).toEqual([0, 0, 2])
  expect(timeAt({ ...said(1, 0, '来週の会議'), words }, 4)).toBe(400)
})

test('unsure words are found by their place; those that somebody corrected are not unsure any more', () => {
  const words = [word('来習', 0, 0.2), word('の', 200), word('会議', 400, 0.3), word('。', 500, 0.1)]
  expect(unsure({ ...said(1, 0, '来習の会議。'), words })).toEqual([[0, 2], [3, 5]])
  expect(unsure({ ...said(1, 0, '来週の会議。'), words })).toEqual([[3, 5]])
})
