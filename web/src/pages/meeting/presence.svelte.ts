// Who else has this meeting open, and where they stand in it. Nice to have: without it everything else works.
import { openSocket, type Socket } from '../../api/socket'

export type Person = { id: string; name: string; block: number | null; at: number }
export type Presence = { readonly people: Person[]; tell: (block: number, at: number) => void; close: () => void }

const RETRY_MS = 3_000
/** Carets move with every key; colleagues need not see each. */
const TELL_EVERY_MS = 300

/** Tells and hears where people are until it is closed. */
export function follow(meeting: string): Presence {
  let people = $state.raw<Person[]>([])
  let socket: Socket | null = null
  let closed = false
  let last: { block: number; at: number } | null = null
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
  connect()
  return {
    get people() { return people },
    tell(block, at) {
      if (last?.block === block && last.at === at) return
      last = { block, at }
      timer ??= setTimeout(() => {
        timer = undefined
        if (last) socket?.send(last)
      }, TELL_EVERY_MS)
    },
    close() {
      closed = true
      clearTimeout(timer)
      clearTimeout(retry)
      socket?.close()
    },
  }
}
