// The only place that sends recordings: in pieces, each kept by the server, going on where it stopped.
import { Upload } from 'tus-js-client'
import { csrfToken, problemOfText, type Problem, type Schemas } from './client'

/** What becomes of a recording; a meeting that is there, or a new one. */
export type Wish = { meeting?: string; title?: string; held_on?: string; sensitivity?: string; template?: string; preset?: string }

export type UploadEvents = {
  progress: (sent: number, total: number) => void
  /** The line is broken; it is tried again by itself. */
  broken: () => void
  done: (upload: string) => void
  failed: (problem: Problem) => void
}

export type Sending = { pause: () => void; resume: () => void; abandon: () => Promise<void>; fromBytes: number }

/** Pieces of this size are kept one by one. */
const PIECE_BYTES = 4 << 20
/** How long to wait before the next try; the last one is repeated for as long as the page is open. */
const RETRY_MS = [0, 1_000, 2_000, 5_000, 10_000, 15_000]

/** Sends a file; with `known`, an upload of the same file that the server has a part of. */
export function sendRecording(file: File, wish: Wish, known: Schemas['UploadView'] | null, events: UploadEvents): Sending {
  const metadata: Record<string, string> = { filename: file.name, filetype: file.type }
  for (const [name, value] of Object.entries(wish)) if (value) metadata[name] = value
  let isPaused = false
  let timer: ReturnType<typeof setTimeout> | undefined
  let tries = 0
  const upload = new Upload(file, {
    endpoint: '/v1/uploads', chunkSize: PIECE_BYTES, metadata, retryDelays: null, removeFingerprintOnSuccess: true, storeFingerprintForResuming: false,
    ...(known ? { uploadUrl: `/v1/uploads/${known.id}` } : {}),
    onBeforeRequest: (request) => request.setHeader('x-csrf-token', csrfToken()),
    onProgress: (sent, total) => { tries = 0; events.progress(sent, total ?? file.size) },
    onSuccess: () => events.done((upload.url ?? '').split('/').at(-1) ?? ''),
    onError: (error) => {
      const status = 'originalResponse' in error ? (error.originalResponse?.getStatus() ?? 0) : 0
      const retried = status === 0 || status === 409 || status === 423 || status === 429 || status === 460 || status >= 500
      if (!retried || status === 507) return events.failed(problemOfText(('originalResponse' in error && error.originalResponse?.getBody()) || '', status))
      events.broken()
      timer = setTimeout(() => { if (!isPaused) upload.start() }, RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)])
    },
  })
  upload.start()
  return {
    fromBytes: known?.bytes_stored ?? 0,
    pause() {
      isPaused = true
      clearTimeout(timer)
      void upload.abort()
    },
    resume() {
      isPaused = false
      upload.start()
    },
    async abandon() {
      isPaused = true
      clearTimeout(timer)
      await upload.abort(true)
    },
  }
}
