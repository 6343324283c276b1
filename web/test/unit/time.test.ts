import { expect, test } from 'vitest'
import { clock, day, duration, size, today } from '../../src/lib/time'

test('places, durations and sizes are written as people read them', () => {
  expect([clock(0), clock(63_000), clock(3_723_900)]).toEqual(['0:00', '1:03', '1:02:03'])
  expect([duration(4_800_000, 'ja'), duration(35_000, 'ja'), duration(0, 'ja')]).toEqual(['1時間20分', '35秒', '0秒'])
  expect(duration(4_800_000, 'en')).toBe('1 hr 20 mins')
  expect([size(0), size(999), size(1_400_000_000), size(820_000)]).toEqual(['0 B', '999 B', '1.4 GB', '820 KB'])
})

test('a day has its weekday, and what is no day stays as it is', () => {
  expect(day('2026-11-22', 'ja')).toBe('2026年11月22日(日)')
  expect(day('2026-11-22', 'en')).toBe('Sun, 22 Nov 2026')
  expect(day('', 'ja')).toBe('')
  expect(today(new Date(2026, 0, 5))).toBe('2026-01-05')
})
