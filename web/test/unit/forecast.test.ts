import { expect, test } from 'vitest'
import { crowded, officeHour } from '../../src/state/forecast'

const hours = (...full: number[]) => Array.from({ length: 24 }, (_, hour) => ({ hour, crowded: full.includes(hour) }))

test('hours in a row are one stretch, and those that are over are not told', () => {
  expect(crowded(hours(9, 10, 15), 0)).toEqual([{ from: 9, until: 11 }, { from: 15, until: 16 }])
  expect(crowded(hours(9, 10, 15), 10)).toEqual([{ from: 10, until: 11 }, { from: 15, until: 16 }])
  expect(crowded(hours(9), 10)).toEqual([])
  expect(crowded([], 0)).toEqual([])
})

test("the hour is the office's, wherever the browser is", () => {
  expect(officeHour(new Date('2026-11-30T15:30:00Z'))).toBe(0)
  expect(officeHour(new Date('2026-11-30T06:00:00Z'))).toBe(15)
})
