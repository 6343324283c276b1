// The sound of a recording until the server has confirmed it: the newest in memory, all of it in the browser's store.
import { joined, type Extent, type Spool } from '../../lib/spool'
import type { Heard } from '../../lib/microphone'
import { hear, hearing, type Hearing } from '../../state/level'
import { silenceBefore, type Kept } from '../../state/recording'

/** Sound that stays in memory when the store has it, too; and when there is no store. */
const MEMORY_SECONDS = 60
const MEMORY_ONLY_SECONDS = 15 * 60
/** How often sound goes to the store: what a crash costs at most. */
const WRITE_PIECES = 5

type Piece = { first: number; samples: Int16Array }

export class Sound {
  recorded: number
  hearing: Hearing
  /** When the last piece was heard, by the calendar. */
  lastAt: number | null = null
  /** What the server has confirmed to this page. */
  confirmed = 0
  /** Nothing more can be kept on this terminal. */
  isFull = false
  private memory: Piece[] = []
  private unwritten: Piece[] = []
  private readonly from: number
  private writing: Promise<void> = Promise.resolve()

  constructor(private readonly stream: string, private readonly rateHz: number, private readonly store: Spool<Kept> | null, left: Extent<Kept> | null) {
    this.recorded = left?.to ?? 0
    this.from = left?.from ?? 0
    this.lastAt = left && left.at > 0 ? left.at : null
    this.hearing = hearing(rateHz)
  }

  /** Where what is kept begins. */
  get keptFrom(): number {
    return this.from
  }

  /** Takes a piece; returns the place behind a hole before it, or null if there was none. */
  take({ at, samples }: Heard): number | null {
    const { ms, hole } = silenceBefore(this.lastAt, at, (samples.length * 1000) / this.rateHz)
    this.lastAt = at
    for (let missing = Math.round((ms * this.rateHz) / 1000); missing > 0;) {
      const length = Math.min(missing, this.rateHz)
      this.append(new Int16Array(length))
      missing -= length
    }
    const place = this.recorded
    this.append(samples)
    this.hearing = hear(this.hearing, samples)
    return hole ? place : null
  }

  /** Lets a piece pass while the recording is paused: no time passes in it. */
  skip({ at, samples }: Heard): void {
    this.lastAt = at
    this.hearing = hear(this.hearing, samples)
  }

  private append(samples: Int16Array): void {
    const piece = { first: this.recorded, samples }
    this.memory.push(piece)
    this.recorded += samples.length
    if (this.store) {
      this.unwritten.push(piece)
      if (this.unwritten.length >= WRITE_PIECES) void this.flush()
    }
    this.trim()
  }

  /** Drops from memory what the store has; without a store the oldest stays until there is no more room. */
  private trim(): void {
    const most = (this.store ? MEMORY_SECONDS : MEMORY_ONLY_SECONDS) * this.rateHz
    const written = this.store ? (this.unwritten[0]?.first ?? this.recorded) : this.recorded
    const length = () => this.recorded - (this.memory[0]?.first ?? this.recorded)
    while (length() > most) {
      const [oldest] = this.memory
      if (!oldest || oldest.first + oldest.samples.length > written || !this.store) break
      this.memory.shift()
    }
    this.isFull = !this.store && length() > most
  }

  /** Brings what is new into the store. */
  flush(): Promise<void> {
    const batch = this.unwritten
    if (!this.store || batch.length === 0) return this.writing
    const { store } = this
    const first = batch[0]?.first ?? 0
    // Silence of minutes comes in pieces of a second: each is written as it is.
    const small = batch.every((piece) => piece.samples.length < this.rateHz)
    const pieces = small ? [{ first, samples: joined(batch, first, batch.reduce((sum, piece) => sum + piece.samples.length, 0)) }] : batch
    const at = this.lastAt ?? 0
    this.unwritten = []
    this.writing = this.writing.then(async () => {
      try {
        for (const piece of pieces) await store.add(this.stream, piece.first, piece.samples, at)
        this.isFull = false
      } catch {
        // The browser's room is used up: memory has it still, and is told about.
        this.unwritten = [...pieces, ...this.unwritten]
        this.isFull = true
      }
    })
    return this.writing
  }

  /** Returns samples from `first` on, as many of `count` as are here. */
  async read(first: number, count: number): Promise<Int16Array> {
    const oldest = this.memory[0]
    if (oldest && oldest.first <= first) return joined(this.memory.filter((piece) => piece.first + piece.samples.length > first && piece.first < first + count), first, count)
    const kept = (await this.store?.read(this.stream, first, count).catch(() => new Int16Array(0))) ?? new Int16Array(0)
    if (kept.length === count) return kept
    const rest = joined(this.memory, first + kept.length, count - kept.length)
    const whole = new Int16Array(kept.length + rest.length)
    whole.set(kept)
    whole.set(rest, kept.length)
    return whole
  }

  /** The server has everything before this sample. */
  forget(before: number): void {
    this.confirmed = before
    // A server may know more than this terminal: then that much is recorded.
    this.recorded = Math.max(this.recorded, before)
    this.memory = this.memory.filter((piece) => piece.first + piece.samples.length > before)
    if (this.store) {
      const { store } = this
      this.writing = this.writing.then(() => store.forget(this.stream, before).catch(() => {}))
    }
  }

  close(): void {
    void this.flush()
  }
}
