// The stretch of the recording that belongs to a selection. Pure.
import type { Block } from './minutes'

export type Stretch = { from_ms: number; until_ms: number }

/** Beside the first and the last word so much is heard, too, where nobody else speaks: the time of a word is not exact. */
const BESIDE_MS = 400

/** Returns when the chosen blocks were said; null if none of them was heard in the recording. */
export function stretchOf(blocks: readonly Block[], chosen: readonly number[]): Stretch | null {
  const timed = blocks.flatMap((block) => (block.kind === 'heading' ? [] : [{ id: block.id, start: block.start_ms, end: block.end_ms }]))
  const own = timed.filter((block) => chosen.includes(block.id))
  if (own.length === 0) return null
  const from = Math.min(...own.map((block) => block.start))
  const until = Math.max(...own.map((block) => block.end))
  const others = timed.filter((block) => !chosen.includes(block.id))
  const before = Math.max(0, ...others.filter((block) => block.start < from).map((block) => Math.min(block.end, from)))
  const after = Math.min(Infinity, ...others.filter((block) => block.end > until).map((block) => Math.max(block.start, until)))
  return { from_ms: Math.max(from - BESIDE_MS, before, 0), until_ms: Math.min(until + BESIDE_MS, after) }
}
