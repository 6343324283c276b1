import { expect, test } from 'vitest'
import { offered, titleOn, usual } from '../../src/state/templates'

const kept = (id: string, department: string | null, preselected = false, removed_at: number | null = null) =>
  ({ id, department, removed_at, template: { name: id, title: '', preselected } })

test('a department chooses among its own templates and those of the office, its own first', () => {
  const all = [kept('全庁', null), kept('税務', '2'), kept('総務', '1'), kept('古い', '1', true, 5)]
  expect(offered(all, '1').map((one) => one.id)).toEqual(['総務', '全庁'])
  expect(offered(all, '9').map((one) => one.id)).toEqual(['全庁'])
})

test("a new meeting begins with the department's usual template, else with the office's, else with none", () => {
  const office = kept('全庁', null, true)
  expect(usual(offered([office, kept('総務', '1', true)], '1'))).toBe('総務')
  expect(usual(offered([office, kept('総務', '1')], '1'))).toBe('全庁')
  expect(usual(offered([kept('総務', '1')], '1'))).toBe('')
})

test('the title of a template has the day in its places', () => {
  expect(titleOn('定例会 {年}年{月}月{日}日', '2026-01-05')).toBe('定例会 2026年1月5日')
  expect(titleOn('定例会 {年}年', '')).toBe('定例会 {年}年')
})
