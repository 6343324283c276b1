import { expect, test } from 'vitest'
import { replacementOf, wayOf } from '../../src/state/consistency'

const finding = (kind: Parameters<typeof wayOf>[0], suggestion: string, ...texts: string[]) => ({ kind, suggestion, places: texts.map((text) => ({ text })) })

test('one way of writing is replaced by the other where there are only these two', () => {
  expect(replacementOf(finding('variant_character', '斉藤', '齋藤', '齋藤'))).toEqual({ from: '齋藤', to: '斉藤' })
  expect(replacementOf(finding('near_dictionary', '下水道事業', '下水同事業'))).toEqual({ from: '下水同事業', to: '下水道事業' })
  expect(replacementOf(finding('variant_character', '斉藤', '齋藤', '齊藤'))).toBeNull()
})

test('what only a person can decide is never replaced, but leads to its place', () => {
  expect(replacementOf(finding('digit_width', '１桁の全角', '4'))).toBeNull()
  expect(replacementOf(finding('open_item', '', ''))).toBeNull()
  expect([wayOf('open_item'), wayOf('times'), wayOf('speaker_name'), wayOf('style')]).toEqual(['items', 'header', 'speakers', null])
})
