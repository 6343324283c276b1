// What the player does with time. Pure.
import type { Block, Utterance } from './minutes'

export const SPEEDS = [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2]
/** What is heard again when playing goes on: transcribers call it the most important function. */
export const BACK_STEP_MS = 2_500
export const SKIP_MS = 3_000

/** Returns the next speed in a direction. */
export function nextSpeed(now: number, direction: 1 | -1): number {
  const at = SPEEDS.findIndex((speed) => Math.abs(speed - now) < 0.05)
  return SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, (at < 0 ? 5 : at) + direction))] ?? 1
}

/** Returns where playing goes on after a pause. */
export function resumeAt(ms: number, wasMoved: boolean): number {
  // Whoever chose a place wants to hear that place.
  return wasMoved ? ms : Math.max(0, ms - BACK_STEP_MS)
}

/** Utterances by their time, to find the one that is heard. */
export type Timeline = { starts: number[]; blocks: Utterance[] }

/** Makes the timeline of what is shown. */
export function timeline(blocks: Block[]): Timeline {
  const said = blocks.filter((block): block is Utterance => block.kind === 'utterance' && !block.hidden)
  const sorted = said.every((block, index) => index === 0 || (said[index - 1]?.start_ms ?? 0) <= block.start_ms)
    ? said
    : [...said].sort((a, b) => a.start_ms - b.start_ms)
  return { starts: sorted.map((block) => block.start_ms), blocks: sorted }
}

/** Returns the utterance that is heard at a time: the last that has begun, until the next begins. */
export function heardAt({ starts, blocks }: Timeline, ms: number): Utterance | null {
  let [low, high] = [0, starts.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((starts[middle] ?? 0) <= ms) low = middle + 1
    else high = middle
  }
  return blocks[low - 1] ?? null
}
