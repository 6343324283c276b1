import { expect, test } from 'vitest'
import { duplicates, findWords, fold, index, windowOf } from '../../src/state/words'

const words = [
  { id: '1', written: '髙橋', reading: 'たかはし', sources: ['高橋'] },
  { id: '2', written: 'DX推進室', reading: 'でぃーえっくす' },
  { id: '3', written: 'ＤＸ推進室', reading: '' },
  { id: '4', written: '鷹橋', reading: 'たかはし', sources: ['高橋'] },
]

test('widths, cases and kana of both kinds are the same to whoever searches', () => {
  expect(fold('タカハシ ＤＸ')).toBe('たかはし dx')
  expect(findWords(index(words), 'タカハシ').map((word) => word.id)).toEqual(['1', '4'])
  expect(findWords(index(words), 'dx 推進').map((word) => word.id)).toEqual(['2', '3'])
  expect(findWords(index(words), '').length).toBe(4)
})

test('words are duplicates when they are written alike or replace the same misrecognition', () => {
  expect([...duplicates(index(words))].sort()).toEqual(['1', '2', '3', '4'])
  expect([...duplicates(index(words.slice(0, 2)))]).toEqual([])
})

test('of ten thousand rows only those in sight are drawn', () => {
  expect(windowOf(0, 560, 56, 10_000)).toEqual({ from: 0, to: 19 })
  expect(windowOf(56 * 5_000, 560, 56, 10_000)).toEqual({ from: 4992, to: 5019 })
  expect(windowOf(56 * 9_990, 560, 56, 10_000)).toEqual({ from: 9981, to: 10_000 })
  expect(windowOf(9_999_999, 560, 56, 3)).toEqual({ from: 0, to: 3 })
})

test('ten thousand words are searched within a frame', () => {
  const many = index(Array.from({ length: 10_000 }, (_, at) => ({ id: String(at), written: `用語${at}`, reading: `ようご${at}`, sources: [`用後${at}`] })))
  const begun = performance.now()
  expect(findWords(many, '9999').length).toBe(1)
  // A frame is 16 ms; the bar leaves room for a busy machine.
  expect(performance.now() - begun).toBeLessThan(100)
})
