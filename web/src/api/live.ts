// Live meetings: what is asked of the server beside the sockets.
import type { Note, Status } from '../state/captions'
import { askRaw } from './client'

export type CaptionWish = { no_store: boolean; link: boolean; delay_s: number }
export type StreamView = { stream: number; microphone: string; rate_hz: number; stored: number; connected: boolean }
/** A live meeting as those who take part see it. */
export type LiveView = {
  live: string
  meeting: string
  title: string
  room: string
  began_at: number
  status: Status
  captions: CaptionWish
  recorded_ms: number
  streams: StreamView[]
  link: string | null
  viewers: number
}
export type LiveInput = {
  request_id?: string
  meeting_id?: string
  title?: string
  held_on?: string
  sensitivity?: string
  template?: string
  room?: string
  groups?: string[]
  captions?: CaptionWish
}
export type LinkView = { url: string | null; qr: string | null }
/** What somebody sees who has the link. */
export type PublicView = { title: string; room: string; captions: CaptionWish }
export type LiveMark = 'decision' | 'issue' | 'todo' | 'important' | 'check'

async function call<T>(method: string, path: string, body?: object): Promise<T> {
  const headers = body ? { 'content-type': 'application/json' } : undefined
  const answer = await askRaw(path, { method, headers, body: body ? JSON.stringify(body) : undefined })
  return answer.status === 204 ? (undefined as T) : ((await answer.json()) as T)
}

const below = (live: string, what: string) => `/v1/live/${encodeURIComponent(live)}/${what}`

export const live = {
  list: () => call<LiveView[]>('GET', '/v1/live'),
  begin: (input: LiveInput) => call<LiveView>('POST', '/v1/live', input),
  read: (id: string) => call<LiveView>('GET', `/v1/live/${encodeURIComponent(id)}`),
  step: (id: string, what: 'pause' | 'resume' | 'end') => call<LiveView>('POST', below(id, what)),
  mark: (id: string, mark: LiveMark, text = '') => call<Note>('POST', below(id, 'marks'), { mark, text }),
  agenda: (id: string, text: string) => call<Note>('POST', below(id, 'agenda'), { text }),
  correct: (id: string, line: number, text: string) => call<void>('POST', below(id, 'corrections'), { line, text }),
  message: (id: string, text: string) => call<void>('POST', below(id, 'messages'), { text }),
  words: (id: string, groups: string[]) => call<void>('POST', below(id, 'words'), { groups }),
  link: (id: string, open: boolean) => call<LinkView>('POST', below(id, 'link'), { open }),
  byLink: (code: string) => call<PublicView>('GET', `/v1/captions/${encodeURIComponent(code)}`),
}

/** Where the captions of a live meeting are told: by its name, for people with an account, or by the code of a link. */
export function captionsPath(id: string): string {
  return isCode(id) ? `/v1/captions/${encodeURIComponent(id)}/live` : below(id, 'captions')
}

/** Tells the code of a link from the name of a live meeting, which is a UUID. */
export function isCode(id: string): boolean {
  return !/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(id)
}
