// What this page believes about its seat, always the first to think that it is gone. The same machine as
// src/seats/holder.rs; both run tests/fixtures/seats/holder_cases.json.
//
//   free ──► asking ──► waiting ──► offered ──► asking ──► working ⇄ readOnly ──► asking again, if it lapsed
//              └────────────────────────────────────►  └──► away ──► readOnly
//
// The belief counts from before a sign of life was sent, the server's from hearing it, and it ends two seconds earlier:
// while this page works, the server cannot have given the seat to another.

const BEAT = 10_000
/** An unanswered belief asks once more this long before its end. */
const EXTRA = 7_000
/** Work stops this long before the end, so that a save under way is not cut. */
const STOP = 2_000
const RETRY = 1_000
const ASK_AGAIN = 5_000
const RECONNECT_SPREAD = 5_000
/** A lease that ended longer ago is not asked for again unbidden: the person may have gone home. */
const REATTACH_WITHIN = 30 * 60_000
const SENT_MAX = 16

/** A lease and what proves it; decimal strings, as they pass 2^53. */
export type Held = { lease: string; token: string }
/** What both clocks did since the last step, and the luck of this step, 0 to 999. */
export type Passed = { mono_ms: number; wall_ms: number; luck: number }

export type Answer =
  | { kind: 'granted'; number: number | null; held: Held; ttl_ms: number }
  | { kind: 'alive'; number: number; ttl_ms: number }
  | { kind: 'lapsed'; number: number }
  | { kind: 'queued'; number: number; ticket: string; position: number }
  | { kind: 'refused'; number: number; code: string }
  | { kind: 'offered'; held: Held; hold_ms: number }
  | { kind: 'offer_expired'; token: string }
  | { kind: 'lost'; token: string; reason: string }
  | { kind: 'later'; number: number; retry_ms: number }

type Bare = 'wake' | 'want' | 'done' | 'park' | 'accept' | 'decline' | 'shown' | 'hidden' | 'sleep' | 'woke' | 'leave' | 'socket_open' | 'socket_closed'
export type Input = { kind: Bare } | { kind: 'heard'; answer: Answer }

export type Message =
  | { kind: 'acquire'; number: number }
  | { kind: 'accept'; number: number; held: Held }
  | { kind: 'give_up'; ticket: string }
  | { kind: 'decline' | 'park' | 'sleep' | 'release'; held: Held }
  | { kind: 'beat' | 'renew'; number: number; held: Held }
  | { kind: 'beat_waiting'; number: number; ticket: string; attentive: boolean }
  | { kind: 'hello' | 'bye'; held: Held | null }

export type Output =
  | { kind: 'send'; message: Message }
  | { kind: 'connect' | 'read_only' | 'keep_draft' | 'offer_over' }
  | { kind: 'work'; held: Held }
  | { kind: 'show_place'; position: number }
  | { kind: 'ask_offer'; hold_ms: number }
  | { kind: 'show_refusal'; code: string }
  | { kind: 'show_loss'; reason: string }

type Seat = { held: Held; until: number; lastBeatAt: number; retryAt: number; extraSent: boolean }
type Phase =
  | { kind: 'free' }
  | { kind: 'asking'; number: number; offer: Held | null; firstAt: number; againAt: number }
  | { kind: 'waiting'; ticket: string; beatAt: number }
  | { kind: 'offered'; held: Held; until: number }
  | { kind: 'working' | 'readOnly' | 'away'; seat: Seat }
type Sent = { number: number; token: string | null; at: number }

/** The belief. Times are milliseconds since its making, by the longer of the two clocks. */
export type Holding = {
  age: number
  phase: Phase
  seen: boolean
  socket: { kind: 'idle' | 'opening' | 'open' } | { kind: 'connectAt'; at: number }
  next: number
  sent: Sent[]
  /** Tokens up to this one are over, whatever a late message says. */
  over: string | null
}

/** Nobody asked for anything yet. */
export const unasked: Holding = { age: 0, phase: { kind: 'free' }, seen: true, socket: { kind: 'idle' }, next: 1, sent: [], over: null }

/** Takes one input and says what to do, in order. Call it also with `wake` when `wakeIn` is over. */
export function step(before: Holding, passed: Passed, input: Input): { holding: Holding; outputs: Output[] } {
  const run = new Run(structuredClone(before), passed)
  run.take(input)
  return { holding: run.now, outputs: run.out }
}

/** Returns what proves the seat to a protected call, `passed` after the last step. */
export function proof(holding: Holding, passed: Passed): Held | null {
  const { phase } = holding
  return phase.kind === 'working' && holding.age + longest(passed) < stopAt(phase.seat) ? phase.seat.held : null
}

/** Returns how long after the last step the next is due, if time alone can change anything. */
export function wakeIn(holding: Holding): number | null {
  const { phase, socket } = holding
  const due: number[] = []
  if (phase.kind === 'asking') due.push(phase.againAt)
  if (phase.kind === 'waiting') due.push(phase.beatAt)
  if (phase.kind === 'offered') due.push(phase.until)
  if (phase.kind === 'working') due.push(Math.min(beatAt(phase.seat, holding.seen), stopAt(phase.seat)))
  if (phase.kind === 'readOnly') due.push(phase.seat.retryAt)
  if (socket.kind === 'connectAt') due.push(socket.at)
  return due.length > 0 ? Math.max(0, Math.min(...due) - holding.age) : null
}

const longest = (passed: Passed) => Math.max(passed.mono_ms, passed.wall_ms, 0)
const spread = (passed: Passed, least: number, over: number) => least + (over * Math.min(passed.luck, 999)) / 1000
const stopAt = (seat: Seat) => Math.max(0, seat.until - STOP)
const atLeast = (token: string, other: string) => BigInt(token) >= BigInt(other)

function beatAt(seat: Seat, seen: boolean): number {
  const extraAt = seat.extraSent ? seat.until : Math.max(0, seat.until - EXTRA)
  return seen ? Math.min(extraAt, seat.lastBeatAt + BEAT) : extraAt
}

/** One step under way: the belief as it becomes, and what is to be done. */
class Run {
  out: Output[] = []
  constructor(readonly now: Holding, readonly passed: Passed) {
    now.age += longest(passed)
  }

  take(input: Input): void {
    this.#obey(input)
    this.#lookAtSocket()
    this.#lookAtTime()
  }

  #obey(input: Input): void {
    switch (input.kind) {
      case 'wake': return
      case 'want': return this.#want()
      case 'done': return this.#done()
      case 'park': return this.#goAway('park')
      case 'sleep': return this.#goAway('sleep')
      case 'woke': return this.#woke()
      case 'accept': return this.#answerOffer(true)
      case 'decline': return this.#answerOffer(false)
      case 'shown': this.now.seen = true; return
      case 'hidden': this.now.seen = false; return
      case 'leave': return this.#leave()
      case 'socket_open': return this.#socketOpen()
      case 'socket_closed':
        this.now.socket = { kind: 'connectAt', at: this.now.age + spread(this.passed, 0, RECONNECT_SPREAD) }
        return
      case 'heard': return this.#hear(input.answer)
    }
  }

  #send(message: Message): void {
    this.out.push({ kind: 'send', message })
  }

  #want(): void {
    const { phase } = this.now
    if (phase.kind === 'free' || phase.kind === 'away') this.#ask(null)
    else if (phase.kind === 'offered') this.#answerOffer(true)
    else if (phase.kind === 'readOnly') this.#retry()
  }

  /** Asks for a seat, or takes the offered one. */
  #ask(offer: Held | null): void {
    const number = this.now.next++
    this.now.phase = { kind: 'asking', number, offer, firstAt: this.now.age, againAt: this.#againAt() }
    this.#sayAsk(number, offer)
    if (this.now.socket.kind === 'idle') this.now.socket = { kind: 'connectAt', at: this.now.age }
  }

  #againAt = () => this.now.age + spread(this.passed, ASK_AGAIN, ASK_AGAIN / 5)

  #sayAsk(number: number, offer: Held | null): void {
    this.#send(offer ? { kind: 'accept', number, held: offer } : { kind: 'acquire', number })
  }

  #done(): void {
    const phase = this.#free()
    switch (phase.kind) {
      case 'free': return
      case 'waiting': return this.#send({ kind: 'give_up', ticket: phase.ticket })
      case 'asking':
        // Nothing is known to give back yet; a late answer gives it back by itself.
        if (phase.offer) this.#refuse(phase.offer)
        return
      case 'offered': return this.#refuse(phase.held)
      default:
        this.#end(phase.seat.held.token)
        this.#send({ kind: 'release', held: phase.seat.held })
    }
  }

  #refuse(held: Held): void {
    this.#end(held.token)
    this.#send({ kind: 'decline', held })
  }

  #goAway(kind: 'park' | 'sleep'): void {
    const { phase } = this.now
    if (phase.kind !== 'working' && phase.kind !== 'readOnly') return
    if (phase.kind === 'working') this.out.push({ kind: 'read_only' }, { kind: 'keep_draft' })
    this.#send({ kind, held: phase.seat.held })
    this.now.phase = { kind: 'away', seat: phase.seat }
  }

  #woke(): void {
    if (this.now.phase.kind !== 'away') return this.#live()
    this.now.phase = { kind: 'readOnly', seat: this.now.phase.seat }
    this.#retry()
  }

  #answerOffer(taken: boolean): void {
    const { phase } = this.now
    if (phase.kind !== 'offered') return
    if (taken) this.#ask(phase.held)
    else this.#done()
  }

  #leave(): void {
    const held = this.#seat()?.held ?? null
    if (this.now.phase.kind === 'working') this.out.push({ kind: 'read_only' }, { kind: 'keep_draft' })
    if (this.#free().kind !== 'free') this.#send({ kind: 'bye', held })
    this.now.socket = { kind: 'idle' }
  }

  #socketOpen(): void {
    this.now.socket = { kind: 'open' }
    this.#send({ kind: 'hello', held: this.#seat()?.held ?? null })
    const { kind } = this.now.phase
    if (kind === 'readOnly') this.#retry()
    else if (kind === 'working' || kind === 'waiting') this.#live()
  }

  #lookAtSocket(): void {
    const { socket, phase, age } = this.now
    if (socket.kind !== 'connectAt') return
    if (phase.kind === 'free') this.now.socket = { kind: 'idle' }
    else if (age >= socket.at) {
      this.now.socket = { kind: 'opening' }
      this.out.push({ kind: 'connect' })
    }
  }

  #lookAtTime(): void {
    const { phase, age, seen } = this.now
    if (phase.kind === 'asking' && age >= phase.againAt) {
      phase.againAt = this.#againAt()
      this.#sayAsk(phase.number, phase.offer)
    } else if (phase.kind === 'waiting' && age >= phase.beatAt) this.#live()
    else if (phase.kind === 'offered' && age >= phase.until) {
      this.#end(phase.held.token)
      this.#free()
      this.out.push({ kind: 'offer_over' })
    } else if (phase.kind === 'working' && age >= stopAt(phase.seat)) {
      this.#stopWork()
      this.#retry()
    } else if (phase.kind === 'working' && age >= beatAt(phase.seat, seen)) this.#live()
    else if (phase.kind === 'readOnly' && age >= phase.seat.retryAt) this.#retry()
  }

  /** Sends a sign of life: for the seat, or for the place in line. */
  #live(): void {
    const { phase, age, socket, seen } = this.now
    const number = this.now.next
    if (phase.kind === 'waiting') {
      phase.beatAt = age + BEAT
      this.#send({ kind: 'beat_waiting', number, ticket: phase.ticket, attentive: seen })
      return this.#remember(number, null)
    }
    if (phase.kind !== 'working' && phase.kind !== 'readOnly') return
    const { seat } = phase
    // The look at the time, next in this step, stops the work and sends.
    if (phase.kind === 'working' && age >= stopAt(seat)) return
    seat.lastBeatAt = age
    seat.extraSent = age >= Math.max(0, seat.until - EXTRA)
    this.#send({ kind: socket.kind === 'open' ? 'beat' : 'renew', number, held: seat.held })
    this.#remember(number, seat.held.token)
  }

  #remember(number: number, token: string | null): void {
    this.now.next++
    this.now.sent = [...this.now.sent, { number, token, at: this.now.age }].slice(-SENT_MAX)
  }

  #retry(): void {
    if (this.now.phase.kind !== 'readOnly') return
    this.now.phase.seat.retryAt = this.now.age + spread(this.passed, RETRY, RETRY)
    this.#live()
  }

  /** Working becomes read-only; what is read-only already stays so. */
  #stopWork(): void {
    if (this.now.phase.kind !== 'working') return
    this.now.phase = { kind: 'readOnly', seat: this.now.phase.seat }
    this.out.push({ kind: 'read_only' }, { kind: 'keep_draft' })
  }

  #free(): Phase {
    const { phase } = this.now
    this.now.phase = { kind: 'free' }
    return phase
  }

  #end(token: string): void {
    if (this.now.over === null || atLeast(token, this.now.over)) this.now.over = token
  }

  #seat(): Seat | null {
    return 'seat' in this.now.phase ? this.now.phase.seat : null
  }

  #hear(answer: Answer): void {
    switch (answer.kind) {
      case 'granted': return this.#granted(answer.number, answer.held, answer.ttl_ms)
      case 'alive': return this.#alive(answer.number, answer.ttl_ms)
      case 'lapsed': return this.#lapsed(answer.number)
      case 'queued': return this.#queued(answer.number, answer.ticket, answer.position)
      case 'refused':
        if (!this.#isAsking(answer.number)) return
        this.#free()
        this.out.push({ kind: 'show_refusal', code: answer.code })
        return
      case 'offered': return this.#offered(answer.held, answer.hold_ms)
      case 'offer_expired': return this.#offerExpired(answer.token)
      case 'lost': return this.#lost(answer.token, answer.reason)
      case 'later': return this.#later(answer.number, answer.retry_ms)
    }
  }

  #granted(number: number | null, held: Held, ttl: number): void {
    const { phase, age } = this.now
    const askedAt = phase.kind === 'asking' && phase.number === number ? phase.firstAt : null
    const own = this.#seat()
    // The answer to what is asked now is fresh even with a known token: the message that ended it may be lost.
    const isKnown = this.#isOver(held.token) || (own !== null && atLeast(own.held.token, held.token))
    if (askedAt === null && isKnown) return
    if (phase.kind === 'free') {
      // Nobody here wants it any more: a seat that nobody uses would lock another person out.
      this.#end(held.token)
      return this.#send({ kind: 'release', held })
    }
    // A grant that this page did not ask for says nothing about when it was given.
    const until = askedAt === null ? age : askedAt + ttl
    const seat: Seat = { held, until, lastBeatAt: age, retryAt: age, extraSent: false }
    if (age < stopAt(seat)) {
      this.now.phase = { kind: 'working', seat }
      this.out.push({ kind: 'work', held })
      return
    }
    if (phase.kind === 'working') this.out.push({ kind: 'read_only' }, { kind: 'keep_draft' })
    this.now.phase = { kind: 'readOnly', seat }
    this.#retry()
  }

  #alive(number: number, ttl: number): void {
    const sent = this.#takeSent(number)
    const { phase, age } = this.now
    if (!sent || (phase.kind !== 'working' && phase.kind !== 'readOnly')) return
    const { seat } = phase
    if (sent.token !== seat.held.token || sent.at + ttl <= seat.until) return
    seat.until = sent.at + ttl
    seat.extraSent = false
    if (phase.kind === 'readOnly' && age < stopAt(seat)) {
      this.out.push({ kind: 'work', held: seat.held })
      this.now.phase = { kind: 'working', seat }
    }
  }

  #lapsed(number: number): void {
    const sent = this.#takeSent(number)
    const { phase } = this.now
    if (!sent) return
    if (phase.kind === 'waiting' && sent.token === null) return this.#ask(null)
    if ((phase.kind !== 'working' && phase.kind !== 'readOnly') || sent.token !== phase.seat.held.token) return
    const { held, until } = phase.seat
    this.#stopWork()
    this.#end(held.token)
    if (this.now.age - until <= REATTACH_WITHIN) return this.#ask(null)
    this.#free()
    this.out.push({ kind: 'show_loss', reason: 'lease_lapsed' })
  }

  #queued(number: number, ticket: string, position: number): void {
    const { phase, age } = this.now
    if (phase.kind === 'free') return this.#send({ kind: 'give_up', ticket })
    const isAnswer = phase.kind === 'asking' && phase.number === number && !phase.offer
    if (isAnswer) this.now.phase = { kind: 'waiting', ticket, beatAt: age + BEAT }
    if (isAnswer || (phase.kind === 'waiting' && phase.ticket === ticket)) this.out.push({ kind: 'show_place', position })
  }

  #offered(held: Held, hold: number): void {
    const { phase, age, seen } = this.now
    if (this.#isOver(held.token)) return
    if (phase.kind === 'free') return this.#refuse(held)
    if (phase.kind !== 'waiting' && !(phase.kind === 'asking' && !phase.offer)) return
    this.now.phase = { kind: 'offered', held, until: age + hold }
    if (seen) this.#ask(held)
    else this.out.push({ kind: 'ask_offer', hold_ms: hold })
  }

  #offerExpired(token: string): void {
    const { phase } = this.now
    const offered = phase.kind === 'offered' ? phase.held : phase.kind === 'asking' ? phase.offer : null
    if (offered?.token !== token) return
    this.#end(token)
    this.#free()
    this.out.push({ kind: 'offer_over' })
  }

  #lost(token: string, reason: string): void {
    if (this.#seat()?.held.token !== token) return
    this.#stopWork()
    this.#end(token)
    this.#free()
    this.out.push({ kind: 'show_loss', reason })
  }

  /** A server that starts asks everyone to wait; they come back spread. */
  #later(number: number, wait: number): void {
    const { phase, age } = this.now
    if (phase.kind === 'asking' && phase.number === number) phase.againAt = age + spread(this.passed, wait, RECONNECT_SPREAD)
    else if (this.#takeSent(number) && phase.kind === 'readOnly') phase.seat.retryAt = age + spread(this.passed, wait, RETRY)
  }

  #isAsking(number: number): boolean {
    return this.now.phase.kind === 'asking' && this.now.phase.number === number
  }

  #isOver(token: string): boolean {
    return this.now.over !== null && atLeast(this.now.over, token)
  }

  #takeSent(number: number): Sent | null {
    const found = this.now.sent.find((sent) => sent.number === number) ?? null
    if (found) this.now.sent = this.now.sent.filter((sent) => sent !== found)
    return found
  }
}
