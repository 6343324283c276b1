// The sending half of a microphone: what to send next, what may be forgotten, when to connect again. The same machine as
// src/audio/sender.rs; both run tests/fixtures/capture_cases.json. It holds no sound, no socket and no clock: sound is
// kept by whoever drives it, until `forget`.
//
//   waiting ─connect─► connecting ─hello─► greeting ─welcome─► sending ⇄ ending ─ended─► over
//      ▲                   └───────────────────┴───────────────────┴────────┘ broken, silent, refused
//      └─ back-off 0.5 s … 30 s, half of it by luck ──────────────────┘

const PROTOCOL = 1
/** Least sound of a frame while the microphone runs: a tenth of a second keeps captions quick. */
const FRAMES_PER_SECOND = 10
/** Sound that may be under way unconfirmed. */
const UNDER_WAY_SECONDS = 30
const GREETING_MS = 15_000
/** How long a server that has something to confirm may say nothing. */
const SILENCE_MS = 20_000
const BACKOFF_FIRST_MS = 500
const BACKOFF_LONGEST_MS = 30_000
/** The pause after a refusal: somebody has to do something first. */
const REFUSED_MS = 60_000
/** Requests to send again without anything being stored in between; then the line is made anew. */
const RESENDS_MAX = 8
/** How far a server may be ahead of a machine that lost its power, and with it what was not yet on its disk. */
const AHEAD_SECONDS_MAX = 60
/** Holes not yet confirmed; a microphone that breaks more often is marked no further. */
const HOLES_MAX = 65_536

export type ClientSays = { type: 'hello'; stream: string; rate_hz: number; protocol: number } | { type: 'end'; samples: number }
export type ServerSays =
  | { type: 'welcome'; stored: number }
  | { type: 'stored'; samples: number }
  | { type: 'resend'; from: number }
  | { type: 'ended' }
  /** `advice`, `state` and whatever a newer server says: not for this machine. */
  | { type: 'other' }

export type Input =
  | { kind: 'wake' | 'finish' | 'opened' | 'closed' | 'refused' }
  | { kind: 'recorded'; samples: number }
  | { kind: 'hole'; at: number }
  | { kind: 'heard'; says: ServerSays }

export type Output =
  | { kind: 'connect' | 'close' }
  | { kind: 'say'; message: ClientSays }
  | { kind: 'send'; number: number; first_sample: number; samples: number; hole_before: boolean }
  | { kind: 'forget'; before: number }
  | { kind: 'over'; whole: boolean }

/** A clock that never jumps, and the luck of the moment, 0 to 999. */
export type Moment = { ms: number; luck: number }

type Phase =
  | { kind: 'waiting' | 'connecting' | 'greeting'; until: number }
  | { kind: 'sending' | 'ending'; heard: number }
  | { kind: 'over' }

export type Sender = Readonly<{
  stream: string
  rateHz: number
  recorded: number
  /** What the server has on its disk. */
  stored: number
  /** The next sample to send. */
  next: number
  /** The farthest that was sent on this connection. */
  reached: number
  /** First samples behind holes that the server has not confirmed, in order. */
  holes: readonly number[]
  number: number
  finished: boolean
  phase: Phase
  failures: number
  resends: number
}>

/** Begins a recording, or goes on with one: samples from `keptFrom` to `recorded` are here. */
export function sender(stream: string, rateHz: number, keptFrom = 0, recorded = 0): Sender {
  const stored = Math.min(keptFrom, recorded)
  return {
    stream, rateHz: Math.max(1, rateHz), recorded, stored, next: stored, reached: 0, holes: [], number: 0, finished: false,
    phase: { kind: 'waiting', until: 0 }, failures: 0, resends: 0,
  }
}

/** What one step works on; `step` hands out a frozen copy. */
type Work = { -readonly [K in keyof Sender]: Sender[K] }
type Out = Output[]

/** Takes one input and says what to do, in order. */
export function step(before: Sender, now: Moment, input: Input): { sender: Sender; outputs: Output[] } {
  const work: Work = { ...before }
  const out: Out = []
  switch (input.kind) {
    case 'wake': break
    case 'recorded': work.recorded = Math.max(work.recorded, input.samples); break
    case 'hole': noteHole(work, input.at); break
    case 'finish': work.finished = true; break
    case 'opened': greet(work, now, out); break
    case 'closed': retryAfterBreak(work, now); break
    case 'refused': wait(work, now, REFUSED_MS); break
    case 'heard': hear(work, now, input.says, out); break
  }
  lookAtTime(work, now, out)
  send(work, now, out)
  return { sender: work, outputs: out }
}

/** Returns in how many milliseconds time alone changes something; null if it cannot. */
export function wakeIn(sender: Sender, nowMs: number): number | null {
  const due = dueAt(sender)
  return due === null ? null : Math.max(0, due - nowMs)
}

/** Tells whether sound is going to the server now. */
export function isConnected(sender: Sender): boolean {
  return sender.phase.kind === 'sending' || sender.phase.kind === 'ending'
}

function noteHole(work: Work, at: number): void {
  const last = work.holes.at(-1)
  if (at >= work.next && (last === undefined || last < at) && work.holes.length < HOLES_MAX) work.holes = [...work.holes, at]
}

function greet(work: Work, now: Moment, out: Out): void {
  if (work.phase.kind !== 'connecting') return
  out.push({ kind: 'say', message: { type: 'hello', stream: work.stream, rate_hz: work.rateHz, protocol: PROTOCOL } })
  work.phase = { kind: 'greeting', until: now.ms + GREETING_MS }
}

function hear(work: Work, now: Moment, says: ServerSays, out: Out): void {
  switch (work.phase.kind) {
    // Words of a connection that is over.
    case 'waiting': case 'connecting': case 'over': return
    case 'greeting':
      if (says.type === 'welcome') begin(work, now, says.stored, out)
      else if (says.type === 'ended') end(work, out)
      return
    case 'sending': case 'ending':
      work.phase = { kind: work.phase.kind, heard: now.ms }
      follow(work, now, says, out)
  }
}

function follow(work: Work, now: Moment, says: ServerSays, out: Out): void {
  switch (says.type) {
    case 'stored': return says.samples > work.reached ? breakOff(work, now, out) : confirm(work, says.samples, out)
    case 'resend': return sendAgain(work, now, says.from, out)
    case 'ended': return end(work, out)
    // A second welcome means nothing; the others are for the people in the room.
    case 'welcome': case 'other':
  }
}

function begin(work: Work, now: Moment, stored: number, out: Out): void {
  if (stored > work.recorded + AHEAD_SECONDS_MAX * work.rateHz) {
    // It speaks of another recording: believing it would cost this one.
    out.push({ kind: 'close' })
    return wait(work, now, REFUSED_MS)
  }
  if (stored < work.stored && work.holes[0] !== work.stored) {
    // The server lost what it had confirmed, and it is gone here, too: the place is marked.
    work.holes = [work.stored, ...work.holes]
  }
  work.number = 0
  work.resends = 0
  work.phase = { kind: 'sending', heard: now.ms }
  work.next = Math.max(stored, work.stored)
  work.reached = work.next
  confirm(work, stored, out)
}

/** Takes to heart that the server has this much on its disk. */
function confirm(work: Work, samples: number, out: Out): void {
  if (samples <= work.stored) return
  work.stored = samples
  work.next = Math.max(work.next, samples)
  work.failures = 0
  work.resends = 0
  // A server may know more than a machine that lost its power: then that many are recorded, and never sent twice.
  work.recorded = Math.max(work.recorded, samples)
  work.holes = work.holes.filter((at) => at >= samples)
  out.push({ kind: 'forget', before: samples })
}

function sendAgain(work: Work, now: Moment, from: number, out: Out): void {
  work.resends += 1
  if (from < work.stored || from > work.reached || work.resends > RESENDS_MAX) return breakOff(work, now, out)
  work.next = from
  work.phase = { kind: 'sending', heard: now.ms }
}

function end(work: Work, out: Out): void {
  const whole = work.phase.kind === 'ending' || (work.finished && work.stored >= work.recorded)
  if (whole) confirm(work, work.recorded, out)
  work.phase = { kind: 'over' }
  out.push({ kind: 'close' }, { kind: 'over', whole })
}

function breakOff(work: Work, now: Moment, out: Out): void {
  out.push({ kind: 'close' })
  retryAfterBreak(work, now)
}

function retryAfterBreak(work: Work, now: Moment): void {
  if (work.phase.kind === 'waiting' || work.phase.kind === 'over') return
  const pause = Math.min(BACKOFF_FIRST_MS * 2 ** Math.min(work.failures, 16), BACKOFF_LONGEST_MS)
  work.failures += 1
  wait(work, now, pause)
}

function wait(work: Work, now: Moment, pauseMs: number): void {
  if (work.phase.kind === 'over') return
  const half = Math.floor(pauseMs / 2)
  work.phase = { kind: 'waiting', until: now.ms + half + Math.floor((half * Math.min(now.luck, 999)) / 1000) }
}

function dueAt({ phase, next, stored }: Sender): number | null {
  switch (phase.kind) {
    case 'waiting': case 'connecting': case 'greeting': return phase.until
    case 'sending': return next > stored ? phase.heard + SILENCE_MS : null
    case 'ending': return phase.heard + SILENCE_MS
    case 'over': return null
  }
}

function lookAtTime(work: Work, now: Moment, out: Out): void {
  const due = dueAt(work)
  if (due === null || now.ms < due) return
  if (work.phase.kind !== 'waiting') return breakOff(work, now, out)
  out.push({ kind: 'connect' })
  work.phase = { kind: 'connecting', until: now.ms + GREETING_MS }
}

/** Sends what may go, and says the end behind the last sample. */
function send(work: Work, now: Moment, out: Out): void {
  if (work.phase.kind !== 'sending') return
  const wasIdle = work.next === work.stored
  for (let samples = ready(work); samples > 0; samples = ready(work)) {
    out.push({ kind: 'send', number: work.number, first_sample: work.next, samples, hole_before: work.holes.includes(work.next) })
    work.next += samples
    work.reached = Math.max(work.reached, work.next)
    work.number = (work.number + 1) >>> 0
  }
  // It had nothing to confirm until now: its time begins here.
  if (wasIdle && work.next > work.stored) work.phase = { kind: 'sending', heard: now.ms }
  if (work.finished && work.next >= work.recorded) {
    out.push({ kind: 'say', message: { type: 'end', samples: work.recorded } })
    work.phase = { kind: 'ending', heard: now.ms }
  }
}

/** Returns how long the next frame is, 0 if none may go: at most a second, and a hole begins a new one. */
function ready(work: Work): number {
  const second = work.rateHz
  const hole = work.holes.find((at) => at > work.next)
  const until = hole === undefined ? work.recorded : Math.min(hole, work.recorded)
  const mayGo = Math.max(0, second * UNDER_WAY_SECONDS - (work.next - work.stored))
  const samples = Math.min(Math.max(0, until - work.next), second)
  const isLast = work.finished || (hole !== undefined && hole <= work.recorded)
  const enough = samples >= Math.floor(second / FRAMES_PER_SECOND) || isLast
  return enough && samples <= mayGo ? samples : 0
}
