import { expect, test } from 'vitest'
import { Sound } from '../../src/app/recorder/sound'
import { joined, type Extent, type Spool } from '../../src/lib/spool'
import type { Kept } from '../../src/state/recording'

const RATE = 1_000
const kept: Kept = { stream: 's', live: 'l', meeting: 'm', title: 't', user: 'u', rateHz: RATE, at: 0, finished: false }

/** The browser's store, as far as sound needs it; `room` is how many pieces it takes. */
function store(room = Infinity) {
  let pieces: { first: number; samples: Int16Array; at: number }[] = []
  const spool: Spool<Kept> = {
    describe: async () => {},
    add: async (_stream, first, samples, at) => {
      if (pieces.length >= room) throw new Error('no room')
      pieces = [...pieces, { first, samples, at }]
    },
    read: async (_stream, first, count) => joined(pieces, first, count),
    forget: async (_stream, before) => { pieces = pieces.filter((piece) => piece.first + piece.samples.length >= before) },
    list: async () => [],
    drop: async () => { pieces = [] },
    close: () => {},
  }
  const left = (): Extent<Kept> => ({ kept, from: pieces[0]?.first ?? 0, to: (pieces.at(-1)?.first ?? 0) + (pieces.at(-1)?.samples.length ?? 0), at: pieces.at(-1)?.at ?? 0 })
  return { spool, left, count: () => pieces.length }
}

/** A tenth of a second whose samples say where they are. */
const piece = (index: number, at = 10_000 + index * 100) => ({ at, samples: Int16Array.from({ length: 100 }, (_, sample) => index * 100 + sample) })
const expected = (from: number, count: number) => Array.from({ length: count }, (_, at) => from + at)

test('sound that left memory comes from the store, and what spans both comes whole', async () => {
  const { spool } = store()
  const sound = new Sound('s', RATE, spool, null)
  for (let index = 0; index < 300; index++) {
    sound.take(piece(index))
    await sound.flush()
  }
  expect([...(await sound.read(50, 1_000))]).toEqual(expected(50, 1_000))
  expect([...(await sound.read(29_000, 1_000))]).toEqual(expected(29_000, 1_000))
  expect((await sound.read(29_900, 500)).length, 'no more than there is').toBe(100)
})

test('after a crash the store says how far the recording was, and silence stands for the time in between', async () => {
  const { spool, left } = store()
  const first = new Sound('s', RATE, spool, null)
  for (let index = 0; index < 20; index++) first.take(piece(index))
  await first.flush()
  first.forget(1_500)
  await first.flush()
  const again = new Sound('s', RATE, spool, left())
  expect([again.keptFrom, again.recorded]).toEqual([1_000, 2_000])
  // The last piece was heard at 11.9 s; the next one ends at 15 s.
  expect(again.take(piece(20, 15_000))).toBe(5_000)
  expect(again.recorded).toBe(5_100)
  expect([...(await again.read(1_990, 20))]).toEqual([...expected(1_990, 10), ...Array.from({ length: 10 }, () => 0)])
})

test('a store that is full costs nothing that memory still has, and says so', async () => {
  const { spool } = store(2)
  const sound = new Sound('s', RATE, spool, null)
  for (let index = 0; index < 30; index++) {
    sound.take(piece(index))
    if (index % 5 === 4) await sound.flush()
  }
  await sound.flush()
  expect(sound.isFull).toBe(true)
  expect([...(await sound.read(0, 3_000))]).toEqual(expected(0, 3_000))
})

test('what the server has leaves the store, but for the piece that says how far it is', async () => {
  const { spool, count, left } = store()
  const sound = new Sound('s', RATE, spool, null)
  for (let index = 0; index < 20; index++) sound.take(piece(index))
  await sound.flush()
  sound.forget(2_000)
  await sound.flush()
  expect([count(), left().to]).toEqual([1, 2_000])
})

test('no time passes in a recording while it is paused', () => {
  const sound = new Sound('s', RATE, null, null)
  sound.take(piece(0, 1_000))
  sound.skip(piece(1, 60_000))
  expect([sound.take(piece(2, 60_100)), sound.recorded]).toEqual([null, 200])
})
