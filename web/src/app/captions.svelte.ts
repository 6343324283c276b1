// Follows the captions of a live meeting: whoever was away gets what they missed.
import { captionsPath } from '../api/live'
import { openSocket, type Socket } from '../api/socket'
import { noCaptions, told, type CaptionEvent, type Captions } from '../state/captions'

const RETRY_MS = [500, 1_000, 2_000, 5_000]
/** The socket was closed because the link is no longer valid, or there is nothing more to see. */
const NORMAL = 1000

/** Captions that are followed; read `captions`, `isOnline` and `isOver` in a page, and call `stop` when it is left. */
export type Following = { readonly captions: Captions; readonly isOnline: boolean; readonly isOver: boolean; stop: () => void }

/** Follows a live meeting by its name or by the code of a link. `heard` is told every event. */
export function followCaptions(id: string, heard: (event: CaptionEvent) => void = () => {}): Following {
  let captions = $state.raw(noCaptions)
  let isOnline = $state(false)
  let isOver = $state(false)
  let socket: Socket | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  let [tries, isStopped] = [0, false]

  const connect = () => {
    const after = captions.seq === null ? '' : `?after=${captions.seq}`
    socket = openSocket(captionsPath(id) + after, {
      open() {
        tries = 0
        isOnline = true
      },
      message(message) {
        const event = message as CaptionEvent
        captions = told(captions, event, Date.now())
        heard(event)
      },
      close(code) {
        isOnline = false
        if (isStopped) return
        isOver = code === NORMAL
        if (!isOver) timer = setTimeout(connect, RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)])
      },
    })
  }
  connect()
  return {
    get captions() { return captions },
    get isOnline() { return isOnline },
    get isOver() { return isOver },
    stop() {
      isStopped = true
      clearTimeout(timer)
      socket?.close()
    },
  }
}
