// Sound that the server has not confirmed, kept by the browser: it outlives a closed page and a crash.

const DATABASE = 'gijiroku-sound'
const RECORDINGS = 'recordings'
const PIECES = 'pieces'
/** No piece is longer: where to begin looking for the one that holds a sample. */
export const PIECE_SAMPLES_MAX = 192_000

type Piece = { stream: string; first: number; samples: Int16Array; at: number }
/** A recording that is kept, which of its samples are here, and when the last of them was heard. */
export type Extent<T> = { kept: T; from: number; to: number; at: number }

/** What is kept of recordings, each with the name of its microphone. */
export type Spool<T extends { stream: string }> = {
  /** Keeps what is known of a recording. */
  describe: (kept: T) => Promise<void>
  /** Keeps samples that were heard at `at`. */
  add: (stream: string, first: number, samples: Int16Array, at: number) => Promise<void>
  /** Returns the samples from `first` on that are here without a gap, at most `count`. */
  read: (stream: string, first: number, count: number) => Promise<Int16Array>
  /** Forgets pieces that end before a sample; one that ends there stays, and says how far the recording is. */
  forget: (stream: string, before: number) => Promise<void>
  list: () => Promise<Extent<T>[]>
  drop: (stream: string) => Promise<void>
  close: () => void
}

const finished = (transaction: IDBTransaction) => new Promise<void>((done, failed) => {
  transaction.oncomplete = () => done()
  transaction.onabort = () => failed(transaction.error ?? new Error('the browser kept nothing'))
})

const answer = <R>(request: IDBRequest<R>) => new Promise<R>((done, failed) => {
  request.onsuccess = () => done(request.result)
  request.onerror = () => failed(request.error ?? new Error('the browser does not answer'))
})

/** Opens the place; null where the browser keeps nothing (private windows). */
export async function openSpool<T extends { stream: string }>(): Promise<Spool<T> | null> {
  try {
    const request = indexedDB.open(DATABASE, 1)
    request.onupgradeneeded = () => {
      request.result.createObjectStore(RECORDINGS, { keyPath: 'stream' })
      request.result.createObjectStore(PIECES, { keyPath: ['stream', 'first'] })
    }
    return spoolOn<T>(await answer(request))
  } catch {
    return null
  }
}

function spoolOn<T extends { stream: string }>(database: IDBDatabase): Spool<T> {
  const within = (stream: string, from: number, to: number) => IDBKeyRange.bound([stream, Math.max(0, from)], [stream, to])
  const change = async (stores: string[], work: (transaction: IDBTransaction) => void) => {
    const transaction = database.transaction(stores, 'readwrite')
    work(transaction)
    await finished(transaction)
  }
  const pieces = (range: IDBKeyRange) => answer<Piece[]>(database.transaction(PIECES).objectStore(PIECES).getAll(range))

  return {
    describe: (kept) => change([RECORDINGS], (transaction) => transaction.objectStore(RECORDINGS).put(kept)),
    add: (stream, first, samples, at) => change([PIECES], (transaction) => transaction.objectStore(PIECES).put({ stream, first, samples, at } satisfies Piece)),
    async read(stream, first, count) {
      return joined(await pieces(within(stream, first - PIECE_SAMPLES_MAX, first + count - 1)), first, count)
    },
    forget: (stream, before) => change([PIECES], (transaction) => {
      const request = transaction.objectStore(PIECES).openCursor(within(stream, 0, before - 1))
      request.onsuccess = () => {
        const cursor = request.result
        if (!cursor) return
        const piece = cursor.value as Piece
        if (piece.first + piece.samples.length < before) cursor.delete()
        cursor.continue()
      }
    }),
    async list() {
      const all = await answer<T[]>(database.transaction(RECORDINGS).objectStore(RECORDINGS).getAll())
      return Promise.all(all.map(async (kept) => {
        const keys = await answer(database.transaction(PIECES).objectStore(PIECES).getAllKeys(within(kept.stream, 0, Infinity)))
        const places = keys.map((key) => (key as [string, number])[1])
        const last = places.at(-1)
        if (last === undefined) return { kept, from: 0, to: 0, at: 0 }
        const [piece] = await pieces(within(kept.stream, last, last))
        return { kept, from: places[0] ?? 0, to: last + (piece?.samples.length ?? 0), at: piece?.at ?? 0 }
      }))
    },
    drop: (stream) => change([RECORDINGS, PIECES], (transaction) => {
      transaction.objectStore(RECORDINGS).delete(stream)
      transaction.objectStore(PIECES).delete(within(stream, 0, Infinity))
    }),
    close: () => database.close(),
  }
}

/** Joins pieces, in their order, to the samples from `first` on; what is missing ends them. */
export function joined(pieces: { first: number; samples: Int16Array }[], first: number, count: number): Int16Array {
  const whole = new Int16Array(count)
  let filled = 0
  for (const piece of pieces) {
    const from = first + filled - piece.first
    if (from < 0) break
    if (from >= piece.samples.length || filled === count) continue
    const part = piece.samples.subarray(from, from + count - filled)
    whole.set(part, filled)
    filled += part.length
  }
  return whole.subarray(0, filled)
}
