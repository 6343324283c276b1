import { expect, test } from 'vitest'
import { mayKeepGroup, mayKeepShared, mayManage, mayRegisterWords, mayWork } from '../../src/state/rights'

const own = { scope: 'department' as const, department: '1' }
const other = { scope: 'department' as const, department: '2' }
const office = { scope: 'office' as const, department: null }

test('colleagues share the words of their department; only its administrators keep its groups', () => {
  const rights = (role: 'administrator' | 'department_administrator' | 'staff' | 'auditor') => {
    const person = { role, department: '1' }
    return [own, other, office].map((group) => Number(mayRegisterWords(person, group)) + Number(mayKeepGroup(person, group)))
  }
  // The same table as in http/access.rs, without what may be seen.
  expect(rights('staff')).toEqual([1, 0, 0])
  expect(rights('department_administrator')).toEqual([2, 0, 0])
  expect(rights('administrator')).toEqual([2, 2, 2])
  expect(rights('auditor')).toEqual([0, 0, 0])
})

test("a meeting goes into the bin by its owner and its department's administrator, unless that one may not read it", () => {
  const meeting = { owner: 'a', department: '1', sensitivity: 'internal' as const }
  const person = (id: string, role: 'staff' | 'department_administrator' | 'administrator' | 'auditor', department = '1') => ({ id, role, department })
  expect(mayManage(person('a', 'staff'), meeting)).toBe(true)
  expect(mayManage(person('b', 'staff'), meeting)).toBe(false)
  expect(mayManage(person('b', 'department_administrator'), meeting)).toBe(true)
  expect(mayManage(person('b', 'department_administrator', '2'), meeting)).toBe(false)
  expect(mayManage(person('b', 'department_administrator'), { ...meeting, sensitivity: 'restricted' })).toBe(false)
  expect(mayManage(person('b', 'administrator'), meeting)).toBe(false)
  expect(mayManage(person('a', 'auditor'), meeting)).toBe(false)
})

test('an auditor looks and never works', () => {
  expect(mayWork({ role: 'auditor', department: '1' })).toBe(false)
  expect(mayWork({ role: 'staff', department: '1' })).toBe(true)
  expect(mayKeepShared({ role: 'department_administrator', department: '1' }, null)).toBe(false)
})
