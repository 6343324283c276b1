// Who else has this meeting open, and where they stand in its minutes or captions. Nice to have: without it everything else
// works.
import { openSocket, type Socket } from '../api/socket'

/** `corrects`: they are at the desk where captions are corrected; `line` is the sentence under their hands. */
export type Person = { id: string; name: string; block: number | null; at: number; line?: number; corrects?: boolean }
type Place = { block: number; at: number } | { line: number | null }
export type Presence = { readonly people: Person[]; tell: (block: number, at: number) => void; tellLine: (line: number | null) => void; close: () => void }

const RETRY_MS = 3_000
/** Carets move with every key; colleagues need not see each. */
const TELL_EVERY_MS = 300

/** Tells and hears where people are until it is closed. */
export function follow(meeting: string): Presence {
  let people = $state.raw<Person[]>([])
  let socket: Socket | null = null
  let closed = false
  let last: Place | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  let retry: ReturnType<typeof setTimeout> | undefined

  const connect = () => {
    socket = openSocket(`/v1/meetings/${meeting}/presence`, {
      open: () => { if (last) socket?.send(last) },
      message: (message) => { people = (message as { people?: Person[] }).people ?? [] },
      close: () => {
        people = []
        if (!closed) retry = setTimeout(connect, RETRY_MS * (1 + Math.random()))
      },
    })
  }
  const say = (place: Place) => {
    if (JSON.stringify(last) === JSON.stringify(place)) return
    last = place
    timer ??= setTimeout(() => {
      timer = undefined
      if (last) socket?.send(last)
    }, TELL_EVERY_MS)
  }
  connect()
  return {
    get people() { return people },
    tell: (block, at) => say({ block, at }),
    tellLine: (line) => say({ line }),
    close() {
      closed = true
      clearTimeout(timer)
      clearTimeout(retry)
      socket?.close()
    },
  }
}
