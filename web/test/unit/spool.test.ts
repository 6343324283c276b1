import { expect, test } from 'vitest'
import { joined } from '../../src/lib/spool'
import { wavHead } from '../../src/state/wav'

const piece = (first: number, ...samples: number[]) => ({ first, samples: Int16Array.from(samples) })

test('pieces are joined from any sample on, and a gap ends them', () => {
  const pieces = [piece(0, 0, 1, 2), piece(3, 3, 4), piece(5, 5, 6, 7), piece(9, 9)]
  expect([...joined(pieces, 0, 8)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  expect([...joined(pieces, 2, 4)]).toEqual([2, 3, 4, 5])
  expect([...joined(pieces, 4, 9)]).toEqual([4, 5, 6, 7])
  expect([...joined(pieces, 8, 2)]).toEqual([])
})

test('pieces that lie over each other give each sample once', () => {
  expect([...joined([piece(0, 0, 1, 2, 3), piece(2, 2, 3, 4)], 1, 4)]).toEqual([1, 2, 3, 4])
})

test('a file that is carried by hand says how long it is', () => {
  const head = new DataView(wavHead(48_000, 48_000))
  expect([head.byteLength, head.getUint32(24, true), head.getUint32(40, true), head.getUint32(4, true)]).toEqual([44, 48_000, 96_000, 96_036])
})
