import { expect, test } from 'vitest'
import { withMask, withoutMask, withSuggestions } from '../../src/state/masks'

const suggestion = (text: string, replacement = '') => ({ text, with: replacement, reason: 'speaker', count: 1 })

test('a text stands in the list once, with what was wished last', () => {
  const list = withMask(withMask([], { text: ' 佐藤 ', with: '' }), { text: '鈴木', with: '委員' })
  expect(list).toEqual([{ text: '佐藤', with: '' }, { text: '鈴木', with: '委員' }])
  expect(withMask(list, { text: '佐藤', with: '住民' })).toEqual([{ text: '佐藤', with: '住民' }, { text: '鈴木', with: '委員' }])
  expect(withMask(list, { text: '  ' })).toEqual(list)
  expect(withoutMask(list, '佐藤')).toEqual([{ text: '鈴木', with: '委員' }])
})

test('suggestions never change a line that a person wrote', () => {
  const list = [{ text: '佐藤', with: '住民' }]
  expect(withSuggestions(list, [suggestion('佐藤', '委員'), suggestion('山田', '会長')])).toEqual([{ text: '佐藤', with: '住民' }, { text: '山田', with: '会長' }])
})
