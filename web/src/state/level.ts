// Is the microphone set well? Level and clipping of the last half minute become one piece of advice, as in
// src/audio/health.rs; here so that people see it also while the line to the server is cut. And how long nobody spoke.

export type Advice = 'too_low' | 'good' | 'too_loud' | 'clipping'

/** Blocks that are remembered: half a minute of tenths of a second. */
const BLOCKS_MAX = 300
const BLOCKS_PER_SECOND = 10
const BLOCKS_MIN = 10
/** Speech stands this far above the room. */
const SPEECH_OVER_ROOM_DB = 8
/** The loudest tenth of good speech lies between these. */
const LOW_DBFS = -42
const LOUD_DBFS = -12
const CLIP = 32_700
const CLIP_RUN = 3
const CLIP_BLOCKS = 50
/** Other advice must stand for two seconds before it replaces what was told. */
const STEADY_BLOCKS = 20
/** Quieter than this is nobody, whatever the room is like. */
const NOBODY_DBFS = -60
export const SILENCE_DBFS = -96

export type Hearing = Readonly<{
  blockSamples: number
  samples: number
  power: number
  peak: number
  clipped: boolean
  clipRun: number
  /** Power of the last blocks, the newest last. */
  levels: readonly number[]
  blocks: number
  clippedAt: number | null
  /** dB below full scale of the newest tenth of a second: its power, and its greatest sample. */
  rms: number
  peakDb: number
  told: Advice | null
  other: Advice | null
  otherBlocks: number
  /** Blocks since somebody spoke. */
  quietBlocks: number
}>

/** Begins to listen to a microphone. */
export function hearing(rateHz: number): Hearing {
  return {
    blockSamples: Math.max(1, Math.floor(rateHz / BLOCKS_PER_SECOND)), samples: 0, power: 0, peak: 0, clipped: false, clipRun: 0,
    levels: [], blocks: 0, clippedAt: null, rms: SILENCE_DBFS, peakDb: SILENCE_DBFS, told: null, other: null, otherBlocks: 0, quietBlocks: 0,
  }
}

/** Hears samples, in the order of time. */
export function hear(before: Hearing, samples: Int16Array): Hearing {
  let state = before
  let { samples: filled, power, peak, clipped, clipRun } = state
  for (const sample of samples) {
    const size = Math.abs(sample)
    clipRun = size >= CLIP ? clipRun + 1 : 0
    if (clipRun >= CLIP_RUN) clipped = true
    power += size * size
    if (size > peak) peak = size
    if (++filled < state.blockSamples) continue
    state = endBlock(state, Math.sqrt(power / filled), peak, clipped)
    filled = 0
    power = 0
    peak = 0
    clipped = false
  }
  return { ...state, samples: filled, power, peak, clipped, clipRun }
}

/** Tells whether half a minute was nothing but zeros: the microphone is muted or not plugged in. */
export function isMute(hearing: Hearing): boolean {
  return hearing.levels.length === BLOCKS_MAX && hearing.levels.every((level) => level <= SILENCE_DBFS)
}

/** Returns for how long nobody has spoken. */
export function quietMs(hearing: Hearing): number {
  return (hearing.quietBlocks * 1000) / BLOCKS_PER_SECOND
}

/** Says that somebody knows that nobody speaks. */
export function heardOut(hearing: Hearing): Hearing {
  return { ...hearing, quietBlocks: 0 }
}

function endBlock(state: Hearing, size: number, peak: number, clipped: boolean): Hearing {
  const rms = dbfs(size)
  const levels = [...state.levels.slice(state.levels.length === BLOCKS_MAX ? 1 : 0), rms]
  const blocks = state.blocks + 1
  const clippedAt = clipped ? blocks : state.clippedAt
  const sorted = levels.toSorted((a, b) => a - b)
  const room = sorted[Math.floor(sorted.length / 10)] ?? SILENCE_DBFS
  const loudest = sorted[sorted.length - 1 - Math.floor(sorted.length / 10)] ?? SILENCE_DBFS
  const now = judged(levels.length, room, loudest, clippedAt !== null && blocks - clippedAt < CLIP_BLOCKS)
  const otherBlocks = now === state.other ? state.otherBlocks + 1 : 1
  const replaced = now === 'clipping' || (now !== null && otherBlocks >= STEADY_BLOCKS)
  const speaks = rms > Math.max(NOBODY_DBFS, room + SPEECH_OVER_ROOM_DB)
  return {
    ...state, levels, blocks, clippedAt, rms, peakDb: dbfs(peak), told: replaced ? now : state.told, other: now, otherBlocks,
    quietBlocks: speaks ? 0 : state.quietBlocks + 1,
  }
}

function judged(count: number, room: number, speech: number, clips: boolean): Advice | null {
  if (clips) return 'clipping'
  if (count < BLOCKS_MIN || speech - room < SPEECH_OVER_ROOM_DB) return null
  if (speech < LOW_DBFS) return 'too_low'
  return speech > LOUD_DBFS ? 'too_loud' : 'good'
}

function dbfs(size: number): number {
  return size > 0 ? Math.max(SILENCE_DBFS, 20 * Math.log10(size / 32_768)) : SILENCE_DBFS
}
