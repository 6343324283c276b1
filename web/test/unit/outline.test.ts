import { expect, test } from 'vitest'
import { outlineOf } from '../../src/state/outline'

const numbers = (path: string, letter: string) => [...path.matchAll(new RegExp(`${letter}(-?[0-9.]+)`, 'g'))].map((found) => Number(found[1]))

test('the drawing goes from the first stretch to the last, whatever their number', () => {
  for (const stretches of [1, 7, 1_200, 3_510, 4_095]) {
    const { path, width } = outlineOf(Array.from({ length: 2 * stretches }, (_, at) => (at % 2 ? 50 : -50)))
    const across = numbers(path, 'H')
    expect(Math.max(...across), String(stretches)).toBe(width)
    expect(Math.min(...across)).toBe(0)
    expect(width).toBe(Math.min(stretches, 1_200))
  }
})

test('the loudest peak fills the height, and no peak is lost where many share a column', () => {
  const peaks = new Array<number>(2 * 4_000).fill(0)
  peaks[2 * 3_999 + 1] = 40
  peaks[2 * 1_234] = -20
  const heights = numbers(outlineOf(peaks).path, 'V')
  expect([Math.min(...heights), Math.max(...heights)]).toEqual([-1, 0.5])
})

test('silence is a line, and nothing is nothing', () => {
  expect(numbers(outlineOf([0, 0, 0, 0]).path, 'V')).toEqual([-0.02, -0.02, 0.02, 0.02])
  expect(outlineOf([])).toEqual({ path: '', width: 1 })
})
