import { expect, test } from 'vitest'
import { agendaNow, colours, contrast, firstRow, isOvertaken, lagSeconds, named, nextDue, noCaptions, passages, rows, told, type CaptionEvent, type Captions, type Status } from '../../src/state/captions'

const status: Status = { phase: 'recording', recognition: 'running', sentence: '録音中です。', lag_ms: 0, level: 'full' }
const at = { stream: 0, start_ms: 0, end_ms: 1 }
const tentative = (seq: number, line: number, committed: string, tail: string): CaptionEvent => ({ seq, kind: 'tentative', line, ...at, committed, tail })
const final = (seq: number, line: number, text: string): CaptionEvent => ({ seq, kind: 'final', line, ...at, text })
const all = (events: CaptionEvent[], now = 0, from: Captions = noCaptions) => events.reduce((captions, event) => told(captions, event, now), from)
const seen = (captions: Captions, now = 1_000_000, delay = 0) => passages(captions, now, delay).map((one) => one.settled + (one.loose && `(${one.loose})`))

test('a sentence grows, stays, and is corrected where it stands', () => {
  let captions = all([tentative(1, 1, '本日の', 'かいぎ'), tentative(2, 1, '本日の会議を', 'はじ')])
  expect(seen(captions)).toEqual(['本日の会議を(はじ)'])
  captions = all([final(3, 1, '本日の会議を始めます。'), tentative(4, 2, '', 'すい'), final(5, 2, '水道慮金。')], 0, captions)
  captions = all([{ seq: 6, kind: 'corrected', line: 2, text: '水道料金。' }, final(7, 3, '以上。')], 0, captions)
  expect(seen(captions)).toEqual(['本日の会議を始めます。', '水道料金。', '以上。'])
  expect(captions.lines[1]).toMatchObject({ text: '水道料金。', heard: '水道慮金。' })
})

test('what was seen before changes nothing, and a withdrawn sentence is gone', () => {
  const captions = all([tentative(5, 1, '', 'あ'), { seq: 6, kind: 'withdrawn', line: 1 }])
  expect(told(captions, tentative(5, 1, '', 'あ'), 0)).toBe(captions)
  expect(seen(captions)).toEqual([])
})

test('everything at once replaces what was told, but not what people wrote nor what is older', () => {
  let captions = all([final(1, 1, '一。'), { seq: 2, kind: 'message', text: '（拍手）' }, final(3, 2, '二。')])
  const lines = [{ line: 2, ...at, text: '弐。' }, { line: 3, ...at, text: '三。' }]
  captions = told(captions, { seq: 9, kind: 'snapshot', lines, tentative: [], notes: [], status }, 5)
  expect(seen(captions)).toEqual(['一。', '（拍手）', '弐。', '三。'])
  // Numbers may be smaller after a server began anew: everything at once is believed in any case.
  expect(told(captions, { seq: 4, kind: 'snapshot', lines, tentative: [], notes: [], status }, 5).seq).toBe(4)
})

test('a screen that holds captions back shows them corrected, and nothing that may still change', () => {
  let captions = told(noCaptions, final(1, 1, '水道慮金。'), 1_000)
  captions = told(captions, tentative(2, 2, 'あ', 'い'), 1_500)
  expect([seen(captions, 3_999, 3_000), nextDue(captions, 3_999, 3_000)]).toEqual([[], 4_000])
  captions = told(captions, { seq: 3, kind: 'corrected', line: 1, text: '水道料金。' }, 3_000)
  expect([seen(captions, 4_000, 3_000), nextDue(captions, 4_000, 3_000)]).toEqual([['水道料金。'], null])
})

test('rows break by the rules of Japanese print, and a growing sentence never moves what stands', () => {
  const passage = { key: 'l1', line: 1, stream: 0, speaker: null, settled: 'ただいまから令和八年第一回の', loose: '定例会を開会します。', isCorrected: false, isMessage: false }
  const found = rows([passage], 15)
  expect(found.map((row) => row.settled + row.loose)).toEqual(['ただいまから令和八年第一回の定', '例会を開会します。'])
  expect(found.map((row) => [row.settled.length, row.loose.length])).toEqual([[14, 1], [0, 9]])
  const whole = 'これは、（長い）文です。半角abcも、「かぎ括弧」も入っています。もう少し続きます。'
  let before: string[] = []
  for (let length = 1; length <= whole.length; length++) {
    const now = rows([{ ...passage, settled: whole.slice(0, length), loose: '' }], 10).map((row) => row.settled)
    expect(now.slice(0, Math.max(0, before.length - 1)), whole.slice(0, length)).toEqual(before.slice(0, -1).slice(0, now.length))
    for (const row of now) {
      expect(row).not.toMatch(/^[、。）」]/)
      expect([...row].reduce((sum, one) => sum + (/[ -~]/.test(one) ? 0.5 : 1), 0)).toBeLessThanOrEqual(11)
    }
    before = now
  }
  expect(before.join('')).toBe(whole)
})

test('the item of the agenda is the last that was set, and lag is told above five seconds', () => {
  const captions = all([
    { seq: 1, kind: 'agenda', id: 'a', what: 'agenda', at_ms: 0, text: '開会' },
    { seq: 2, kind: 'mark', id: 'b', what: 'decision', at_ms: 5, text: '' },
    { seq: 3, kind: 'agenda', id: 'c', what: 'agenda', at_ms: 9, text: '議案第一号' },
  ])
  expect(agendaNow(captions)?.text).toBe('議案第一号')
  expect([0, 5_000, 12_300].map((lag_ms) => lagSeconds({ ...status, lag_ms }))).toEqual([null, null, 12])
})

test('who corrects is told that somebody else was faster', () => {
  const captions = all([final(1, 1, '甲。'), { seq: 2, kind: 'corrected', line: 1, text: '乙。' }])
  expect([isOvertaken(captions, 1, '甲。'), isOvertaken(captions, 1, '乙。'), isOvertaken(captions, 9, '')]).toEqual(['乙。', null, null])
})

test('every pair of colours can be read from the last row', () => {
  for (const { name, ink, ground, loose } of colours) {
    expect(contrast(ink, ground), name).toBeGreaterThanOrEqual(7)
    expect(contrast(loose, ground), name).toBeGreaterThanOrEqual(7)
  }
})

test('a screen moves on by rows and never back, also when a sentence becomes shorter', () => {
  const make = (text: string) => rows([{ key: 'l1', line: 1, stream: 0, speaker: null, settled: text, loose: '', isCorrected: false, isMessage: false }], 10)
  const long = make('あ'.repeat(45))
  const first = firstRow(long, null, 3)
  expect(first).toBe(2)
  const short = make('あ'.repeat(35))
  expect(firstRow(short, long[first]?.key ?? null, 3)).toBe(2)
  // What was at the top is gone: the newest rows are shown.
  expect(firstRow(short, 'l0.0', 3)).toBe(1)
})

test('a speaker is named where they begin, on a row and in a list, and not again', () => {
  const said = (seq: number, speaker?: number): CaptionEvent => ({ seq, kind: 'final', line: seq, ...at, text: 'はい。', ...(speaker === undefined ? {} : { speaker }) })
  const captions = all([said(1, 1), said(2, 1), { seq: 3, kind: 'message', text: '（拍手）' }, said(4, 1), said(5, 2), said(6), said(7, 2)])
  const shown = passages(captions, 1_000_000, 0)
  expect(shown.map((_, index) => named(shown, index))).toEqual([1, null, null, null, 2, null, 2])
  expect(rows(shown, 2).filter((row) => row.speaker !== null).map((row) => [row.line, row.speaker])).toEqual([[1, 1], [5, 2], [7, 2]])
})
