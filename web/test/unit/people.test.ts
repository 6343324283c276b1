import { expect, test } from 'vitest'
import { findPeople, listOf } from '../../src/state/people'

const people = [
  { login: 'sato', name: '佐藤 花子', department: '1', disabled_at: null },
  { login: 'suzuki', name: '鈴木 一郎', department: '2', disabled_at: null },
  { login: 'tanaka', name: '田中 次郎', department: '1', disabled_at: 5 },
]
const departments = new Map([['1', '総務課'], ['2', '税務課']])
const found = (query: string, disabled = false) => findPeople(people, query, departments, disabled).map((one) => one.login)

test('people are found by name, login or department, every word counting', () => {
  expect(found('')).toEqual(['sato', 'suzuki'])
  expect(found('総務 花')).toEqual(['sato'])
  expect(found('ＳＵＺＵＫＩ')).toEqual(['suzuki'])
  expect(found('総務', true)).toEqual(['sato', 'tanaka'])
  expect(found('だれもいない')).toEqual([])
})

test('a transfer is a list of one line; a comma in a name breaks nothing', () => {
  const line = { login: 'sato', name: '佐藤, "花"', department: '税務課', role: '職員', day: '2027-04-01', room: false }
  expect(listOf('利用者名,氏名,部署,役割,発令日,状態,会議室\n', line))
    .toBe('利用者名,氏名,部署,役割,発令日,状態,会議室\r\nsato,"佐藤, ""花""",税務課,職員,2027-04-01,,\r\n')
})
