// What the pages about people ask the server for.
import { api, ask, askRaw, type Schemas } from '../../api/client'

export type User = Schemas['User']
export type Department = Schemas['Department']

const PAGE = 500

/** Asks for everybody, page by page; what came so far is told after each page. */
export async function everybody(told: (people: User[], whole: boolean) => void): Promise<void> {
  let [all, after]: [User[], string] = [[], '']
  for (;;) {
    const page = await ask(api.GET('/v1/users', { params: { query: { after, limit: PAGE } } }))
    all = [...all, ...page]
    const last = page.at(-1)
    const whole = page.length < PAGE || !last
    told(all, whole)
    if (whole) return
    after = last.login
  }
}

/** Asks for the departments. */
export const departments = (): Promise<Department[]> => ask(api.GET('/v1/departments'))

/** Brings a list of people; without `keep` it is only looked at. The bytes decide the character set. */
export async function bringList(list: Blob, keep: boolean, createDepartments: boolean): Promise<Schemas['ImportAnswer']> {
  const query = new URLSearchParams({ dry_run: String(!keep), create_departments: String(createDepartments) })
  const answer = await askRaw(`/v1/users/import?${query}`, { method: 'POST', body: list, headers: { 'content-type': 'text/csv' } })
  return (await answer.json()) as Schemas['ImportAnswer']
}

/** Returns the first line of the server's own list, the heading of every list. */
export async function listHead(): Promise<string> {
  const text = await (await askRaw('/v1/users.csv')).text()
  return text.replace(/^\uFEFF/, '').split('\n')[0]?.trim() ?? ''
}
