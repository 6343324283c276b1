// Who is signed in, for the whole application.
import { api, ask, onSignedOut, rememberCsrf, Refused, type Schemas } from '../api/client'

export type User = Schemas['User']
export type Role = Schemas['Role']

type Standing =
  | { kind: 'unknown' }
  | { kind: 'nobody' }
  /** Signed in. `expired`: the session has ended while the page was open; its contents stay. */
  | { kind: 'person'; user: User; expired: boolean }

let standing = $state.raw<Standing>({ kind: 'unknown' })

/** Returns what is known about who is signed in. */
export function session(): Standing {
  return standing
}

/** Returns the person who is signed in; pages are shown to nobody else. */
export function me(): User {
  if (standing.kind !== 'person') throw new Error('a page was shown to nobody')
  return standing.user
}

/** Tells whether the person has one of these roles. */
export function hasRole(...roles: Role[]): boolean {
  return standing.kind === 'person' && roles.includes(standing.user.role)
}

/** Takes in what the server said about who is signed in. */
export function signedInAs(answer: Schemas['SignedIn']): void {
  rememberCsrf(answer.csrf)
  standing = { kind: 'person', user: answer.user, expired: false }
}

/** Asks who is signed in; nobody is an answer, too. */
export async function findOut(): Promise<void> {
  onSignedOut(() => { if (standing.kind === 'person') standing = { ...standing, expired: true } })
  try {
    signedInAs(await ask(api.GET('/v1/session')))
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 401) throw error
    standing = { kind: 'nobody' }
  }
}

/** Signs out; the page begins anew, so that nothing of one person is left for the next. */
export async function signOut(): Promise<void> {
  await ask(api.DELETE('/v1/session'))
  location.assign('/')
}
