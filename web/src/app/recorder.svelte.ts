// The recording of this terminal: it goes on while the person walks through the pages, through a lost line, a lost
// server and a closed browser. One at a time; what an earlier one left behind is sent first.
import { live, type LiveView } from '../api/live'
import { Refused } from '../api/client'
import { openMicrophone, stayAwake, type Heard, type Microphone, type NoSound } from '../lib/microphone'
import { openSpool, type Extent, type Spool } from '../lib/spool'
import { heardOut, isMute, quietMs, SILENCE_DBFS, type Advice } from '../state/level'
import { mayGoOn, room, standing, type Kept, type Standing } from '../state/recording'
import { wavHead } from '../state/wav'
import { uuid } from '../lib/uuid'
import { keep, kept as choice } from '../lib/kept'
import { Line, type LineNews } from './recorder/line'
import { Sound } from './recorder/sound'

export type Recording = {
  kept: Kept
  standing: Standing
  isOn: boolean
  isPaused: boolean
  isConnected: boolean
  recordedMs: number
  /** Sound that the server has not confirmed. */
  behindMs: number
  rms: number
  advice: Advice | null
  isMute: boolean
  quietMs: number
  microphone: string
  /** The microphone is gone for now. */
  isGone: boolean
  space: 'plenty' | 'half' | 'full'
  /** Whether this browser can keep sound at all when the line is cut. */
  isKept: boolean
}

/** Why a recording could not begin. */
export type Trouble = NoSound | 'other_tab'

const LOOK_EVERY_MS = 10_000
const STEP_AGAIN_MS = 3_000
/** Sound that is read at once for a file. */
const FILE_SECONDS = 30
const MICROPHONE = 'microphone'

let shown = $state.raw<Recording | null>(null)
let current: Active | null = null
let spool: Promise<Spool<Kept> | null> | null = null
let lock: Promise<(() => void) | null> | null = null

/** Returns the recording of this terminal. */
export function recording(): Recording | null {
  return shown
}

/** Returns the microphone that was chosen last. */
export function chosenMicrophone(): string {
  return choice(MICROPHONE) ?? ''
}

/** Chooses the microphone, also of a recording that goes on. */
export async function chooseMicrophone(device: string): Promise<Trouble | null> {
  keep(MICROPHONE, device)
  return current?.isOn ? current.listen() : null
}

function opened(): Promise<Spool<Kept> | null> {
  return (spool ??= openSpool<Kept>())
}

/** Only one page of a browser records: two would send the same sound twice. */
function locked(): Promise<(() => void) | null> {
  if (!('locks' in navigator)) return Promise.resolve(() => {})
  return (lock ??= new Promise((told) => {
    void navigator.locks.request('gijiroku.recorder', { ifAvailable: true }, (held) => {
      if (!held) {
        lock = null
        return told(null)
      }
      return new Promise<void>((free) => told(() => { lock = null; free() }))
    })
  }))
}

/** Records a live meeting from now on. */
export async function record(view: LiveView, user: string): Promise<Trouble | null> {
  if (current) return current.kept.live === view.live ? null : 'other_tab'
  const free = await locked()
  if (!free) return 'other_tab'
  const active = new Active({ stream: uuid(), live: view.live, meeting: view.meeting, title: view.title, user, rateHz: 0, at: Date.now(), finished: false }, await opened(), free).begin()
  const trouble = await active.listen()
  if (trouble) {
    await active.leave()
    return trouble
  }
  return null
}

/** Goes on with a recording that was interrupted here: the microphone is heard again. */
export async function goOn(): Promise<Trouble | null> {
  return current ? current.listen() : null
}

/** Pauses, or goes on. */
export async function pause(wanted: boolean): Promise<void> {
  await current?.pause(wanted)
}

/** Ends the recording: what is still here goes to the server, then it is an ordinary one. */
export async function finish(): Promise<void> {
  await current?.finish()
}

/** Returns the sound that is here, to be carried to the server by hand. */
export async function asFile(): Promise<{ content: Blob; name: string } | null> {
  return current ? current.asFile() : null
}

/** Throws away what is here and not at the server. */
export async function discard(): Promise<void> {
  await current?.leave(true)
}

/** Says that the person knows that nobody speaks. */
export function stillGoing(): void {
  current?.knowsQuiet()
}

/** Sends what an earlier page, or a crash, has left of this person; returns how many recordings there were. */
export async function sendLeft(user: string): Promise<number> {
  if (current) return 0
  const store = await opened()
  const left = ((await store?.list().catch(() => [])) ?? []).filter((one) => one.kept.user === user)
  const newest = left.toSorted((a, b) => b.kept.at - a.kept.at)[0]
  if (!newest || current) return 0
  const free = await locked()
  if (!free) return 0
  new Active(newest.kept, store, free).begin(newest)
  return left.length
}

/** Tells whether the page may be closed without losing anything: all is on the server, or at least in the browser. */
export function isBusy(): boolean {
  return current !== null
}

function begun(active: Active): void {
  current = active
}

/** One recording: microphone → sound → line, and what people are shown. */
class Active {
  kept: Kept
  isOn = false
  private microphone: Microphone | null = null
  private sound: Sound | null = null
  private line: Line | null = null
  private isPaused = false
  private isGone = false
  private isKnownEnded = false
  /** What was wished and the server has not heard yet. */
  private owed: 'pause' | 'resume' | 'end' | null = null
  private space: Recording['space'] = 'plenty'
  private awake: (() => void) | null = null
  private timers: ReturnType<typeof setInterval>[] = []
  private owing = false

  constructor(kept: Kept, private readonly store: Spool<Kept> | null, private readonly free: () => void) {
    this.kept = kept
    this.timers.push(setInterval(() => void this.look(), LOOK_EVERY_MS))
  }

  /** Becomes the recording of this terminal; one that was left begins to send what is here. */
  begin(left: Extent<Kept> | null = null): this {
    begun(this)
    if (left && this.kept.rateHz > 0) this.open(left)
    this.publish()
    return this
  }

  /** Hears the microphone, the first time or again. */
  async listen(): Promise<Trouble | null> {
    this.microphone?.close()
    const heard = (piece: Heard) => this.hear(piece)
    const gone = () => { this.isGone = true; this.publish(); void this.comeBack() }
    const opened = await openMicrophone(chosenMicrophone(), { heard, gone })
    if (typeof opened === 'string') return opened
    this.microphone = opened
    this.isGone = false
    const known = { ...this.kept, at: this.sound?.lastAt ?? this.kept.at }
    if (this.line && !mayGoOn(known, opened.rateHz, Date.now())) this.renew()
    if (!this.line) {
      this.kept = { ...this.kept, rateHz: opened.rateHz, at: Date.now() }
      this.open(null)
    }
    this.isOn = true
    this.awake ??= stayAwake()
    void navigator.storage?.persist?.().catch(() => false)
    this.publish()
    return null
  }

  /** A microphone with another rate, or after a long time, is a further one; the former is sent to its end. */
  private renew(): void {
    const [line, kept, store] = [this.line, this.kept, this.store]
    this.sound?.close()
    line?.finish()
    line?.whenOver(() => void store?.drop(kept.stream))
    this.kept = { ...kept, stream: uuid() }
    this.line = null
    this.sound = null
  }

  private open(left: Extent<Kept> | null): void {
    const sound = new Sound(this.kept.stream, this.kept.rateHz, this.store, left)
    const isCurrent = () => this.line === line
    const news: LineNews = {
      changed: () => this.publish(),
      phase: (phase) => { if (isCurrent()) this.obey(phase) },
      connected: () => { if (isCurrent()) void this.settle() },
      over: () => { if (isCurrent()) void this.over() },
    }
    const line = new Line(this.kept.live, this.kept.stream, this.kept.rateHz, sound, news)
    this.sound = sound
    this.line = line
    void this.store?.describe(this.kept).catch(() => {})
    if (left && this.kept.finished) void this.finish()
  }

  private hear(piece: Heard): void {
    const { sound, line } = this
    if (!sound || !line || !this.isOn) return
    if (this.isPaused) return sound.skip(piece)
    if (this.space === 'full' && !line.isConnected) return
    const hole = sound.take(piece)
    if (hole !== null) line.hole(hole)
    line.recorded(sound.recorded)
    this.kept.at = piece.at
    this.publish()
  }

  private async comeBack(): Promise<void> {
    while (this.isGone && this.isOn && current === this) {
      await new Promise((done) => setTimeout(done, STEP_AGAIN_MS))
      if (this.isGone && this.isOn) await this.listen()
    }
  }

  async pause(wanted: boolean): Promise<void> {
    this.isPaused = wanted
    this.owed = wanted ? 'pause' : 'resume'
    this.publish()
    await this.settle()
  }

  async finish(): Promise<void> {
    this.silence()
    this.kept = { ...this.kept, finished: true }
    await this.store?.describe(this.kept).catch(() => {})
    await this.sound?.flush()
    this.line?.finish()
    this.owed = 'end'
    this.publish()
    if (!this.line) return this.leave()
  }

  async asFile(): Promise<{ content: Blob; name: string } | null> {
    const { sound, kept } = this
    if (!sound) return null
    await sound.flush()
    const [from, to] = [Math.max(sound.keptFrom, sound.confirmed), sound.recorded]
    const parts: BlobPart[] = [wavHead(to - from, kept.rateHz)]
    for (let at = from; at < to; at += kept.rateHz * FILE_SECONDS) {
      const count = Math.min(to - at, kept.rateHz * FILE_SECONDS)
      const whole = new Int16Array(count)
      whole.set(await sound.read(at, count))
      parts.push(whole)
    }
    return { content: new Blob(parts, { type: 'audio/wav' }), name: `${kept.title}.wav` }
  }

  knowsQuiet(): void {
    if (this.sound) this.sound.hearing = heardOut(this.sound.hearing)
    this.publish()
  }

  /** Does what somebody did at another page: a pause reaches every microphone. */
  private obey(phase: string): void {
    if (phase === 'ended' || phase === 'sealed') {
      this.isKnownEnded = true
      if (!this.kept.finished) void this.finish()
      return
    }
    if (this.owed || this.kept.finished) return
    this.isPaused = phase === 'paused'
    this.publish()
  }

  /** Tells the server what it has not heard yet. */
  private async settle(): Promise<void> {
    const owed = this.owed
    // The end is said behind the last sample.
    const isTime = this.line?.isOver || (owed !== 'end' && this.line?.isConnected)
    if (!owed || this.owing || !isTime) return
    this.owing = true
    try {
      if (!(owed === 'end' && this.isKnownEnded)) await live.step(this.kept.live, owed)
      if (this.owed === owed) this.owed = null
    } catch (error) {
      // The meeting was ended by somebody else, or is no longer known: there is nothing more to say.
      const isSettled = error instanceof Refused && (error.status === 409 || error.status === 404)
      if (isSettled && this.owed === owed) this.owed = null
      else setTimeout(() => void this.settle(), STEP_AGAIN_MS)
    } finally {
      this.owing = false
    }
    if (this.line?.isOver && this.owed === null) await this.leave(true)
    else if (this.owed) setTimeout(() => void this.settle(), STEP_AGAIN_MS)
  }

  private async over(): Promise<void> {
    this.silence()
    if (!this.kept.finished) {
      this.kept = { ...this.kept, finished: true }
      this.isKnownEnded = true
    }
    if (this.owed !== 'end' || this.isKnownEnded) {
      this.owed = null
      return this.leave(true)
    }
    await this.settle()
  }

  private silence(): void {
    this.isOn = false
    this.microphone?.close()
    this.microphone = null
    this.awake?.()
    this.awake = null
  }

  /** Lets everything go. `isStored`: all that belongs to the recording is at the server, nothing needs to be kept. */
  async leave(isStored = false): Promise<void> {
    if (current !== this) return
    this.silence()
    this.timers.forEach((timer) => clearInterval(timer))
    this.line?.close()
    this.sound?.close()
    if (isStored || !this.line) await this.store?.drop(this.kept.stream).catch(() => {})
    current = null
    shown = null
    this.free()
    if (isStored) void sendLeft(this.kept.user)
  }

  private async look(): Promise<void> {
    if (this.store && this.line) await this.store.describe(this.kept).catch(() => {})
    const { usage = 0, quota = 0 } = (await navigator.storage?.estimate?.().catch(() => null)) ?? {}
    this.space = this.store || this.line?.isConnected ? room(usage, quota) : 'plenty'
    if (this.sound?.isFull) this.space = 'full'
    this.publish()
  }

  private publish(): void {
    if (current !== this) return
    const { sound, line } = this
    const ms = (samples: number) => (this.kept.rateHz > 0 ? (samples * 1000) / this.kept.rateHz : 0)
    const behindMs = ms(line?.behind ?? 0)
    const facts = { isOn: this.isOn, isPaused: this.isPaused, isFinished: this.kept.finished, isConnected: line?.isConnected ?? false, behindMs }
    const hearing = sound?.hearing
    shown = {
      kept: this.kept, ...facts, standing: standing(facts), recordedMs: ms(sound?.recorded ?? 0), rms: this.isOn ? (hearing?.rms ?? SILENCE_DBFS) : SILENCE_DBFS,
      advice: hearing?.told ?? null, isMute: hearing ? isMute(hearing) : false, quietMs: hearing ? quietMs(hearing) : 0, microphone: this.microphone?.name ?? '',
      isGone: this.isGone, space: this.space, isKept: this.store !== null,
    }
  }
}
