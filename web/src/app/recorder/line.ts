// The line of a microphone to the server: does what the sending half (state/capture.ts) decides, with a real socket,
// clock and luck.
import { openSocket, type Socket } from '../../api/socket'
import { isConnected, sender, step, wakeIn, type Input, type Output, type Sender, type ServerSays } from '../../state/capture'
import { encode } from '../../state/frames'
import type { Sound } from './sound'

/** The server closes with these when a person has to do something first. */
const REFUSALS = new Set([1007, 1008, 1009])

export type LineNews = {
  changed: () => void
  /** Where the meeting stands, as the server says. */
  phase: (phase: string) => void
  connected: () => void
  over: (whole: boolean) => void
}

export class Line {
  isOver = false
  private sender: Sender
  private socket: Socket | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  /** What goes through the socket goes in order, although old sound has to be fetched first. */
  private queue: Promise<void> = Promise.resolve()
  private overTold: () => void = () => {}

  constructor(private readonly live: string, stream: string, rateHz: number, private readonly sound: Sound, private readonly news: LineNews) {
    this.sender = sender(stream, rateHz, sound.keptFrom, sound.recorded)
    this.feed({ kind: 'wake' })
    window.addEventListener('online', this.online)
  }

  get isConnected(): boolean {
    return isConnected(this.sender)
  }

  /** Samples that the server has not confirmed. */
  get behind(): number {
    return Math.max(0, this.sender.recorded - this.sender.stored)
  }

  recorded(samples: number): void {
    this.feed({ kind: 'recorded', samples })
  }

  hole(at: number): void {
    this.feed({ kind: 'hole', at })
  }

  finish(): void {
    this.feed({ kind: 'finish' })
  }

  whenOver(told: () => void): void {
    this.overTold = told
    if (this.isOver) told()
  }

  close(): void {
    clearTimeout(this.timer)
    window.removeEventListener('online', this.online)
    this.socket?.close()
    this.socket = null
  }

  /** The browser knows that the line is back before the pause is over. */
  private readonly online = () => {
    if (this.sender.phase.kind === 'waiting') {
      this.sender = { ...this.sender, phase: { kind: 'waiting', until: 0 }, failures: 0 }
      this.feed({ kind: 'wake' })
    }
  }

  private feed(input: Input): void {
    const was = this.isConnected
    const now = { ms: Math.floor(performance.now()), luck: Math.floor(Math.random() * 1000) }
    const after = step(this.sender, now, input)
    this.sender = after.sender
    for (const output of after.outputs) this.obey(output)
    clearTimeout(this.timer)
    const wake = wakeIn(this.sender, now.ms)
    if (wake !== null && !this.isOver) this.timer = setTimeout(() => this.feed({ kind: 'wake' }), wake)
    if (!was && this.isConnected) this.news.connected()
    if (input.kind !== 'recorded') this.news.changed()
  }

  private obey(output: Output): void {
    switch (output.kind) {
      case 'connect': return this.connect()
      case 'close':
        this.socket?.close()
        this.socket = null
        return
      case 'say': return this.through((socket) => { socket.send(output.message) })
      case 'send': return this.through((socket) => this.send(socket, output))
      case 'forget': return this.sound.forget(output.before)
      case 'over':
        this.isOver = true
        this.close()
        this.overTold()
        this.news.over(output.whole)
    }
  }

  /** Does something with the socket of now, after all that came before; nothing if it is another one by then. */
  private through(work: (socket: Socket) => void | Promise<void>): void {
    const { socket } = this
    if (!socket) return
    this.queue = this.queue.then(() => (this.socket === socket ? work(socket) : undefined)).catch(() => {})
  }

  private async send(socket: Socket, { number, first_sample, samples: count, hole_before }: Output & { kind: 'send' }): Promise<void> {
    const samples = await this.sound.read(first_sample, count)
    // Sound that the browser lost: silence stands for it, marked, so that a place stays a time of the meeting.
    const isLost = samples.length < count
    const whole = isLost ? new Int16Array(count) : samples
    if (isLost) whole.set(samples)
    if (this.socket === socket) socket.send(encode({ number, first_sample, hole_before: hole_before || isLost, samples: whole }))
  }

  private connect(): void {
    this.socket?.close()
    const socket = openSocket(`/v1/live/${encodeURIComponent(this.live)}/record`, {
      open: () => this.feed({ kind: 'opened' }),
      message: (message) => this.listen(message),
      close: (code) => {
        if (this.socket !== socket) return
        this.socket = null
        this.feed({ kind: REFUSALS.has(code) ? 'refused' : 'closed' })
      },
    })
    this.socket = socket
  }

  private listen(message: unknown): void {
    if (typeof message !== 'object' || message === null || !('type' in message)) return
    const { type } = message
    if (type === 'state') {
      // The first state comes right behind the welcome.
      if ('phase' in message && typeof message.phase === 'string') this.news.phase(message.phase)
      return
    }
    this.feed({ kind: 'heard', says: said(message as { type: string } & Record<string, unknown>) })
  }
}

/** Reads what the server says; what a newer one says is passed over. */
function said(message: { type: string } & Record<string, unknown>): ServerSays {
  const number = (name: string) => (typeof message[name] === 'number' ? message[name] : 0)
  switch (message.type) {
    case 'welcome': return { type: 'welcome', stored: number('stored') }
    case 'stored': return { type: 'stored', samples: number('samples') }
    case 'resend': return { type: 'resend', from: number('from') }
    case 'ended': return { type: 'ended' }
    default: return { type: 'other' }
  }
}
