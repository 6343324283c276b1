// The seat of this page: carries out what state/seat.ts decides, by requests and by the socket, and shows how it stands.
//
//   const stop = holdSeat({ edit: meeting }, { keepDraft })   // a page that works calls it in $effect
//   seat().phase === 'working'                                // may the editor take input?
import { api, ask, proveSeatBy, Refused, type Problem, type Schemas } from '../api/client'
import { openSocket, type Socket } from '../api/socket'
import { thisDevice } from '../lib/device'
import { go } from '../lib/router.svelte'
import { uuid } from '../lib/uuid'
import { proof, step, unasked, wakeIn, type Answer, type Held, type Holding, type Input, type Message, type Output } from '../state/seat'
import { tell } from './toasts.svelte'
import { currentLanguage, t, type TextKey } from '../lib/text.svelte'

export type Use = Schemas['UseView']
type Lease = Schemas['LeaseAnswer']
type Place = Schemas['PlaceAnswer']

/** How the seat stands, for pages. */
export type SeatNow = {
  phase: Holding['phase']['kind']
  place: Place | null
  /** When the offer goes to the next, as `Date.now()` counts. */
  offerEndsAt: number | null
  refusal: Problem | null
  /** Why the seat is gone, as a sentence. */
  loss: string | null
}

const nothing: SeatNow = { phase: 'free', place: null, offerEndsAt: null, refusal: null, loss: null }
/** Signs of activity are told this often at most. */
const ACTIVITY_EVERY_MS = 30_000
/** A seat that came while its page was left is kept this long, as long as an offer. */
const UNUSED_MS = 60_000

let now = $state.raw<SeatNow>(nothing)
let holding = unasked
let clocks = { mono: performance.now(), wall: Date.now() }
let timer: ReturnType<typeof setTimeout> | undefined
let socket: Socket | null = null
let use: Use | null = null
let receipt: string | null = null
let keepDraft: () => void = () => {}
/** Pages that work with the seat, and where the last of them is. */
let workers = 0
let back = '/'
let unused: ReturnType<typeof setTimeout> | undefined
let stopListening: (() => void) | null = null
const requests = new Map<number, string>()

/** Returns how the seat stands. */
export function seat(): SeatNow {
  return now
}

/**
 * Wants a seat for a piece of work until the returned function is called; a seat that is there is used.
 *
 * Whoever waits and looks at another page keeps their place, and is told where to go back to once a seat is free.
 */
export function holdSeat(wanted: Use, told: { keepDraft?: () => void } = {}): () => void {
  use = wanted
  back = location.pathname
  keepDraft = told.keepDraft ?? (() => {})
  now = { ...nothing, phase: now.phase, place: now.place }
  proveSeatBy(seatProof)
  stopListening ??= listenToPage()
  clearTimeout(unused)
  workers += 1
  take({ kind: 'want' })
  return () => {
    workers -= 1
    keepDraft = () => {}
    if (holding.phase.kind !== 'waiting' && holding.phase.kind !== 'offered') letGo()
  }
}

/** Gives the seat, or the place in the line, back if no page works with it any more. */
function letGo(): void {
  if (workers > 0) return
  take({ kind: 'done' })
  stopListening?.()
  stopListening = null
}

/** A seat came while its page was left: it is kept for a moment. */
function tellReady(): void {
  const address = back
  tell(t('seats.ready'), 'info', { label: t('seats.go_back'), run: () => go(address) })
  unused = setTimeout(letGo, UNUSED_MS)
}

/** Asks again after a refusal or a loss. */
export function askForSeat(): void {
  now = { ...now, refusal: null, loss: null }
  take({ kind: 'want' })
}

/** Takes or leaves the seat that is offered. */
export function answerOffer(taken: boolean): void {
  take({ kind: taken ? 'accept' : 'decline' })
}

/** Leaves the seat on purpose; it is kept until somebody needs it. */
export function parkSeat(): void {
  take({ kind: 'park' })
}

/** Takes up what was parked. */
export function resumeSeat(): void {
  take({ kind: 'woke' })
}

/** Returns the proof of the seat as a request carries it, or null. */
export function seatProof(): string | null {
  const held = proof(holding, passed())
  return held ? `${held.lease}.${held.token}` : null
}

function passed() {
  const [mono, wall] = [performance.now(), Date.now()]
  return { mono_ms: Math.round(mono - clocks.mono), wall_ms: wall - clocks.wall, luck: Math.floor(Math.random() * 1000) }
}

function take(input: Input): void {
  const since = passed()
  clocks = { mono: performance.now(), wall: Date.now() }
  const after = step(holding, since, input)
  holding = after.holding
  for (const output of after.outputs) carryOut(output)
  now = { ...now, phase: holding.phase.kind }
  clearTimeout(timer)
  const wait = wakeIn(holding)
  if (wait !== null) timer = setTimeout(() => take({ kind: 'wake' }), Math.max(wait, 50))
}

function carryOut(output: Output): void {
  switch (output.kind) {
    case 'send': void say(output.message).catch(() => {}); return
    case 'connect': connect(); return
    case 'work':
      now = { ...now, place: null, offerEndsAt: null, refusal: null, loss: null }
      sayHello(output.held)
      if (workers === 0) tellReady()
      return
    case 'keep_draft': keepDraft(); return
    case 'ask_offer': now = { ...now, offerEndsAt: Date.now() + output.hold_ms }; return
    case 'offer_over':
      now = { ...now, offerEndsAt: null, place: null, loss: t('seats.loss_offer') }
      return
    case 'show_loss': now = { ...now, loss: now.loss ?? lossOf(output.reason) }; return
    case 'show_place': case 'show_refusal': case 'read_only': return
  }
}

function lossOf(reason: string): string {
  const known: Record<string, TextKey> = {
    released: 'seats.loss_released', yielded: 'seats.loss_yielded', revoked: 'seats.loss_revoked', moved: 'seats.loss_moved',
    idle: 'seats.loss_idle', lapsed: 'seats.loss_lapsed', lease_lapsed: 'seats.loss_lapsed',
  }
  return t(known[reason] ?? 'seats.loss_other')
}

const hear = (answer: Answer) => take({ kind: 'heard', answer })

async function say(message: Message): Promise<void> {
  switch (message.kind) {
    case 'acquire': return acquire(message.number)
    case 'accept': return accept(message.number, message.held)
    case 'beat_waiting': return beatWaiting(message.number, message.ticket, message.attentive)
    case 'renew': return renew(message.number, message.held)
    case 'beat':
      if (!socket?.send({ say: 'beat', n: message.number })) await renew(message.number, message.held)
      return
    case 'hello': return sayHello(message.held)
    case 'sleep': socket?.send({ say: 'sleep' }); return
    case 'bye': socket?.send({ say: 'bye' }); return
    case 'give_up': await api.DELETE('/v1/seats/line/{ticket}', { params: { path: { ticket: message.ticket } } }); return
    case 'decline': case 'park': case 'release': return end(message.kind, message.held)
  }
}

async function end(kind: 'decline' | 'park' | 'release', held: Held): Promise<void> {
  const params = { path: { lease: held.lease } }
  const body = { token: held.token }
  if (kind === 'release') await api.DELETE('/v1/seats/{lease}', { params, body: { ...body, device: thisDevice().id } })
  else if (kind === 'park') await api.POST('/v1/seats/{lease}/park', { params, body })
  else await api.POST('/v1/seats/{lease}/decline', { params, body })
}

async function acquire(number: number): Promise<void> {
  if (!use) return
  const request_id = requests.get(number) ?? uuid()
  // Only the newest request can still be answered.
  requests.clear()
  requests.set(number, request_id)
  try {
    standsOrWaits(number, await ask(api.POST('/v1/seats', { body: { request_id, device: thisDevice(), use, mode: 'wait' } })))
  } catch (error) {
    refused(number, error)
  }
}

async function accept(number: number, held: Held): Promise<void> {
  try {
    granted(number, await ask(api.POST('/v1/seats/{lease}/accept', { params: { path: { lease: held.lease } }, body: { token: held.token } })))
  } catch (error) {
    if (error instanceof Refused && [404, 410, 412].includes(error.status)) hear({ kind: 'offer_expired', token: held.token })
  }
}

async function beatWaiting(number: number, ticket: string, attentive: boolean): Promise<void> {
  try {
    standsOrWaits(number, await ask(api.PUT('/v1/seats/line/{ticket}', { params: { path: { ticket } }, body: { attentive } })))
  } catch (error) {
    if (error instanceof Refused && [404, 410].includes(error.status)) hear({ kind: 'lapsed', number })
    else laterIf(number, error)
  }
}

async function renew(number: number, held: Held): Promise<void> {
  const body = { token: held.token, receipt, device: thisDevice(), use }
  try {
    const answer = await ask(api.PUT('/v1/seats/{lease}', { params: { path: { lease: held.lease } }, body }))
    if ('token' in answer) granted(null, answer as unknown as Lease)
    else hear({ kind: 'alive', number, ttl_ms: answer.ttl_ms })
  } catch (error) {
    if (error instanceof Refused && error.status === 412) lost(held.token, error.problem)
    else if (error instanceof Refused && [404, 410].includes(error.status)) hear({ kind: 'lapsed', number })
    else laterIf(number, error)
  }
}

function lost(token: string, problem: Pick<Problem, 'title' | 'title_en' | 'code'>): void {
  now = { ...now, loss: currentLanguage() === 'ja' ? problem.title : problem.title_en }
  hear({ kind: 'lost', token, reason: problem.code })
}

function standsOrWaits(number: number, answer: Lease | Place): void {
  if ('ticket' in answer) {
    now = { ...now, place: answer, refusal: null }
    hear({ kind: 'queued', number, ticket: answer.ticket, position: answer.position })
  } else granted(number, answer)
}

function granted(number: number | null, lease: Lease): void {
  const held = { lease: lease.lease, token: lease.token }
  if (lease.receipt) receipt = lease.receipt
  if (lease.state === 'offered') return hear({ kind: 'offered', held, hold_ms: lease.ttl_ms })
  hear({ kind: 'granted', number, held, ttl_ms: lease.ttl_ms })
}

function refused(number: number, error: unknown): void {
  if (!(error instanceof Refused) || error.code === 'offline') return
  if (laterIf(number, error)) return
  now = { ...now, refusal: error.problem, place: null }
  hear({ kind: 'refused', number, code: error.code })
}

/** A server that is busy or starting says when to come again. */
function laterIf(number: number, error: unknown): boolean {
  if (!(error instanceof Refused) || ![429, 503].includes(error.status)) return false
  const facts = error.problem.facts as { retry_ms?: number } | null | undefined
  hear({ kind: 'later', number, retry_ms: facts?.retry_ms ?? 5_000 })
  return true
}

function connect(): void {
  socket?.close()
  socket = openSocket('/v1/seats/live', {
    open: () => take({ kind: 'socket_open' }),
    close: () => { socket = null; take({ kind: 'socket_closed' }) },
    message: (message) => heardOnSocket(message as Told),
  })
}

function sayHello(held: Held | null): void {
  socket?.send({ say: 'hello', ...(held ?? {}), device: thisDevice().id })
}

type Told = {
  push?: 'refused' | 'offer' | 'warn' | 'revoked' | 'moved' | 'resume' | 'queue' | 'reservation'
  n?: number | null; ttl_ms?: number; code?: string; sentence?: string; sentence_en?: string
  lease?: string; token?: string; accepted?: boolean; of?: string | null; place?: Place; freed?: boolean
}

const ownHeld = (): Held | null => ('seat' in holding.phase ? holding.phase.seat.held : null)

function heardOnSocket(told: Told): void {
  const own = ownHeld()
  switch (told.push) {
    case undefined: return answered(told, own)
    case 'refused':
      if (told.code === 'seat_lost' && own) lost(own.token, { title: told.sentence ?? '', title_en: told.sentence_en ?? '', code: told.code })
      else if (told.n) hear({ kind: 'lapsed', number: told.n })
      return
    case 'offer': void offered(); return
    case 'resume': if (told.lease && told.token) void offered(); return
    case 'revoked': case 'moved':
      if (own && told.lease === own.lease) lost(own.token, { title: told.sentence ?? '', title_en: lossOf(told.push), code: told.push })
      return
    case 'queue':
      if (!told.place) return
      now = { ...now, place: told.place }
      hear({ kind: 'queued', number: 0, ticket: told.place.ticket, position: told.place.position })
      return
    case 'warn': return warned(told, own)
    case 'reservation': tell(currentLanguage() === 'ja' ? (told.sentence ?? '') : t(told.freed ? 'seats.reservation_freed' : 'seats.reservation_late'), 'info'); return
  }
}

/** An answer to a beat; a socket that does not know the seat leaves it to a request. */
function answered(told: Told, own: Held | null): void {
  if (!told.n) return
  if (told.ttl_ms !== undefined) hear({ kind: 'alive', number: told.n, ttl_ms: told.ttl_ms })
  else if (own) void renew(told.n, own)
}

/** The seat changed hands: how it stands is asked for, with the time that is left. */
async function offered(): Promise<void> {
  const { lease } = await ask(api.GET('/v1/seats/mine'))
  if (lease) granted(null, lease)
}

function warned(told: Told, own: Held | null): void {
  const text = currentLanguage() === 'ja' ? (told.sentence ?? '') : t(told.of === 'idle' ? 'seats.warn_idle' : told.of === 'lent' ? 'seats.warn_lent' : 'seats.warn_asked')
  if (told.of === 'idle') tell(text, 'info', { label: t('seats.stay'), run: () => socket?.send({ say: 'activity' }) })
  else if (!told.of && own) tell(text, 'info', { label: t('seats.give_way'), run: () => void giveWay(own) })
  else tell(text, 'info')
}

async function giveWay(held: Held): Promise<void> {
  keepDraft()
  await ask(api.POST('/v1/seats/{lease}/yield', { params: { path: { lease: held.lease } }, body: { token: held.token } })).catch(() => {})
}

/** Listens to what the person does and to the page coming and going; returns what stops it. */
function listenToPage(): () => void {
  let last = 0
  const active = () => {
    if (Date.now() - last < ACTIVITY_EVERY_MS) return
    last = Date.now()
    socket?.send({ say: holding.phase.kind === 'waiting' ? 'attentive' : 'activity' })
  }
  const seen = () => take({ kind: document.hidden ? 'hidden' : 'shown' })
  const left = () => take({ kind: 'leave' })
  const back = (event: PageTransitionEvent) => { if (event.persisted) take({ kind: 'want' }) }
  const heard: [EventTarget, string, EventListener][] = [
    [document, 'keydown', active], [document, 'pointerdown', active], [document, 'visibilitychange', seen],
    [window, 'pagehide', left], [window, 'pageshow', back as EventListener],
  ]
  for (const [target, name, listener] of heard) target.addEventListener(name, listener)
  return () => { for (const [target, name, listener] of heard) target.removeEventListener(name, listener) }
}
