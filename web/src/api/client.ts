// The only place that asks the server anything. A refusal becomes a `Refused` with a sentence for a person.
import createClient from 'openapi-fetch'
import { t } from '../lib/text.svelte'
import type { components, paths } from './types.gen'

export type Schemas = components['schemas']
export type Problem = Schemas['Problem']

/** A refusal of the server, or a server that does not answer (`code` is then `offline`). */
export class Refused extends Error {
  readonly code: string
  readonly status: number
  constructor(readonly problem: Problem) {
    super(problem.title)
    this.code = problem.code
    this.status = problem.status
  }
}

/** A refusal of this page's own: the server was not reached, or what came back is not its answer. */
function own(code: 'offline' | 'unreadable' | 'page_failed', status = 0, detail?: string): Problem {
  const numbers = { offline: 'G-1301', unreadable: 'G-1302', page_failed: 'G-1399' }
  const title = t(`errors.${code}`)
  return { type: `urn:gijiroku:${code}`, status, code, number: numbers[code], title, title_en: title, detail }
}

let csrf = ''
let signedOut: () => void = () => {}
let seatProof: () => string | null = () => null

/** Remembers what changing requests must carry. */
export function rememberCsrf(token: string | null | undefined): void {
  csrf = token ?? ''
}

/** Returns what changing requests must carry, for those that are not made here. */
export function csrfToken(): string {
  return csrf
}

/** Returns the problem that a body tells of. */
export function problemOfText(text: string, status: number): Problem {
  try {
    const body: unknown = JSON.parse(text)
    if (isProblem(body)) return body
  } catch {
    // Not ours: told as such.
  }
  return own(status === 0 ? 'offline' : 'unreadable', status)
}

/** Says who is told when the session has ended. */
export function onSignedOut(told: () => void): void {
  signedOut = told
}

/** Says where the proof of the seat comes from: `<lease>.<token>`, or null without a seat. */
export function proveSeatBy(proof: () => string | null): void {
  seatProof = proof
}

const isChange = (method: string) => !['GET', 'HEAD', 'OPTIONS'].includes(method)

async function problemOf(response: Response): Promise<Problem> {
  if (!(response.headers.get('content-type') ?? '').includes('json')) return own('unreadable', response.status)
  const body: unknown = await response.json().catch(() => null)
  return isProblem(body) ? body : own('unreadable', response.status)
}

function isProblem(body: unknown): body is Problem {
  return typeof body === 'object' && body !== null && 'code' in body && 'number' in body && 'title' in body
}

function dressed(request: Request): Request {
  const headers = new Headers(request.headers)
  if (isChange(request.method)) headers.set('x-csrf-token', csrf)
  const seat = seatProof()
  if (seat) headers.set('seat', seat)
  return new Request(request, { headers })
}

async function reach(request: Request): Promise<Response> {
  try {
    return await fetch(request)
  } catch {
    if (request.signal.aborted) throw new DOMException('aborted', 'AbortError')
    throw new Refused(own('offline'))
  }
}

async function renewCsrf(): Promise<boolean> {
  const answer = await reach(new Request('/v1/session'))
  if (!answer.ok) return false
  const body = (await answer.json()) as Schemas['SignedIn']
  rememberCsrf(body.csrf)
  return true
}

/** Sends a request; a token that has changed meanwhile is renewed once, without the person noticing. */
export async function send(request: Request): Promise<Response> {
  const again = request.clone()
  const answer = await reach(dressed(request))
  if (answer.status === 401) await signedOutUnlessAsked(request, answer.clone())
  if (answer.status !== 403) return answer
  const problem = await problemOf(answer.clone())
  if (problem.code !== 'csrf_missing' || !(await renewCsrf())) return answer
  return reach(dressed(again))
}

/** Asking who is signed in, and signing in, are answered where they were asked; a wrong password ends no session. */
async function signedOutUnlessAsked(request: Request, answer: Response): Promise<void> {
  const path = new URL(request.url).pathname
  if (path !== '/v1/session' && (await problemOf(answer)).code === 'sign_in_needed') signedOut()
}

/** Every call of the API, typed by its document. Pass the promise of a call to `ask`. */
export const api = createClient<paths>({ fetch: send })

type Answer<T> = { data?: T; error?: unknown; response: Response }

/** Awaits a call: returns what the server said, or throws `Refused`. */
export async function ask<T>(call: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>
  try {
    answer = await call
  } catch (error) {
    if (error instanceof SyntaxError) throw new Refused(own('unreadable'))
    throw error
  }
  if (!answer.response.ok) {
    throw new Refused(isProblem(answer.error) ? answer.error : own('unreadable', answer.response.status))
  }
  return answer.data as T
}

/** Asks for something that is no JSON (text, table, file); throws `Refused`. */
export async function askRaw(path: string, init: RequestInit = {}): Promise<Response> {
  const answer = await send(new Request(path, init))
  if (!answer.ok) throw new Refused(await problemOf(answer))
  return answer
}

/** Returns the problem of whatever was thrown, for a person; a defect of ours is told as such. */
export function problemIn(error: unknown): Problem {
  if (error instanceof Refused) return error.problem
  const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return own('page_failed', 0, detail)
}
