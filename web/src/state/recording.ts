// What people are told about a recording, and where the sound of a microphone that was away belongs. Pure.

/** How a recording stands, in the words of the page. */
export type Standing = 'recording' | 'recording_offline' | 'paused' | 'interrupted' | 'waiting' | 'stored'

export type Facts = {
  /** Whether the microphone is heard now. */
  isOn: boolean
  isPaused: boolean
  /** Whether the person has ended it. */
  isFinished: boolean
  isConnected: boolean
  /** Sound that the server has not confirmed. */
  behindMs: number
}

/** Sound that is under way on a good line: no word is made of it. */
const UNDER_WAY_MS = 5_000

/** Says how a recording stands. */
export function standing({ isOn, isPaused, isFinished, isConnected, behindMs }: Facts): Standing {
  if (isOn && !isPaused) return isConnected && behindMs < UNDER_WAY_MS * 6 ? 'recording' : 'recording_offline'
  if (behindMs > 0 && !(isPaused && isConnected && behindMs < UNDER_WAY_MS)) return 'waiting'
  if (!isOn && !isFinished) return 'interrupted'
  return isPaused && !isFinished ? 'paused' : 'stored'
}

/** A shorter break between two deliveries is the machine being busy. */
const BREAK_MS = 1_000
/** A longer break is marked, but no silence of hours is made for it. */
export const SILENCE_MS_MAX = 10 * 60_000

/** Returns how much silence belongs before sound that came at `at`, when the last came at `last` and `ms` of it are new. */
export function silenceBefore(last: number | null, at: number, ms: number): { ms: number; hole: boolean } {
  if (last === null) return { ms: 0, hole: false }
  const missing = at - last - ms
  if (missing < BREAK_MS) return { ms: 0, hole: false }
  return { ms: missing > SILENCE_MS_MAX ? 0 : missing, hole: true }
}

/** What this terminal keeps of a recording, beside its sound. */
export type Kept = {
  /** The microphone's own name in the recording. */
  stream: string
  live: string
  meeting: string
  title: string
  /** Who records: nobody else's session may send it. */
  user: string
  rateHz: number
  /** When the last sound was kept, by the calendar. */
  at: number
  /** Whether the person has ended it. */
  finished: boolean
}

/** Says whether the same microphone may go on after the browser was closed: else a further one begins. */
export function mayGoOn(kept: Kept, rateHz: number, now: number): boolean {
  return !kept.finished && kept.rateHz === rateHz && now >= kept.at && now - kept.at <= SILENCE_MS_MAX
}

/** How much of what the browser grants is used, told from a half on. */
export function room(used: number, quota: number): 'plenty' | 'half' | 'full' {
  if (quota <= 0) return 'plenty'
  if (used >= quota * 0.95) return 'full'
  return used >= quota * 0.5 ? 'half' : 'plenty'
}
