import { expect, test } from 'vitest'
import { closed, filled, hours, officeClock, officeDay, summary } from '../../src/state/day'

const hour = 3_600_000
const rows = [
  { at: hour, peak: 2, waiting: 0, denied: 1 },
  { at: hour + 180_000, peak: 5, waiting: 3, denied: 0 },
  { at: 2 * hour, peak: 1, waiting: 0, denied: 2 },
]

test('minutes in which nothing was recorded are minutes without use, not a slope', () => {
  const all = filled(rows.slice(0, 2))
  expect(all.map((row) => row.peak)).toEqual([2, 0, 0, 5])
  expect(filled([])).toEqual([])
  expect(closed(all).map((row) => row.peak)).toEqual([2, 0, 0, 5, 0])
  expect(closed([])).toEqual([])
})

test('a day comes to its highest minute, its longest line and all refusals', () => {
  expect(summary(rows)).toEqual({ peak: 5, peakAt: hour + 180_000, waiting: 3, denied: 3 })
  expect(summary([])).toEqual({ peak: 0, peakAt: 0, waiting: 0, denied: 0 })
})

test('hours are summed up in their order', () => {
  expect(hours([...rows].reverse())).toEqual([
    { at: hour, peak: 5, waiting: 3, denied: 1 }, { at: 2 * hour, peak: 1, waiting: 0, denied: 2 },
  ])
})

test('a day is the day of the office, wherever the terminal stands', () => {
  expect(officeDay(new Date('2027-03-31T15:00:00Z'))).toBe('2027-04-01')
  expect(officeClock(Date.parse('2027-03-31T15:05:00Z'))).toBe('0:05')
})
