// Every page: its address, its file below src/pages, its name in the texts, who sees it in the navigation.
import type { Component } from 'svelte'
import type { TextKey } from '../lib/text.svelte'
import type { Role } from './session.svelte'

export type PageProps = { values: Record<string, string> }
export type PageRoute = {
  path: string
  /** The file below src/pages, without `.svelte`. A page whose file is absent is not in the navigation. */
  file: string
  title: TextKey
  /** Where it stands in the navigation; nowhere if absent. */
  nav?: 'main' | 'admin' | 'user'
  /** Who may open it; everybody who is signed in, if absent. */
  roles?: Role[]
  /** Whether it is shown without the frame of the application (captions in the hall). */
  bare?: boolean
  /** Whether it is shown to people who are not signed in. */
  open?: boolean
  /** Whether it uses the whole window (the meeting page). */
  wide?: boolean
}

const managers: Role[] = ['administrator', 'department_administrator']
/** Everybody but auditors, who look and never record or edit. */
const workers: Role[] = [...managers, 'staff']

export const routes: PageRoute[] = [
  { path: '/', file: 'Meetings', title: 'nav.meetings', nav: 'main' },
  { path: '/new', file: 'NewMeeting', title: 'nav.new', roles: workers },
  { path: '/meetings/:id', file: 'Meeting', title: 'nav.meeting', wide: true },
  { path: '/live', file: 'Live', title: 'nav.live', nav: 'main', roles: workers },
  { path: '/live/:id', file: 'Live', title: 'nav.live' },
  { path: '/captions/:id', file: 'Captions', title: 'nav.captions', bare: true, open: true },
  { path: '/correct/:id', file: 'Correct', title: 'nav.correct' },
  { path: '/seats', file: 'Seats', title: 'nav.seats', nav: 'main' },
  { path: '/words', file: 'Words', title: 'nav.words', nav: 'main' },
  { path: '/admin', file: 'admin/Overview', title: 'nav.admin', nav: 'admin', roles: ['administrator', 'department_administrator', 'auditor'] },
  { path: '/admin/users', file: 'admin/Users', title: 'nav.users', nav: 'admin', roles: managers },
  { path: '/admin/departments', file: 'admin/Departments', title: 'nav.departments', nav: 'admin', roles: managers },
  { path: '/admin/seats', file: 'admin/SeatMap', title: 'nav.seat_map', nav: 'admin', roles: ['administrator', 'department_administrator', 'auditor'] },
  { path: '/admin/policy', file: 'admin/Policy', title: 'nav.policy', nav: 'admin', roles: ['administrator'] },
  { path: '/admin/licence', file: 'admin/Licence', title: 'nav.licence', nav: 'admin', roles: ['administrator'] },
  { path: '/admin/templates', file: 'admin/Templates', title: 'nav.templates', nav: 'admin', roles: managers },
  { path: '/admin/retention', file: 'admin/Retention', title: 'nav.retention', nav: 'admin', roles: ['administrator', 'auditor'] },
  { path: '/admin/audit', file: 'admin/Audit', title: 'nav.audit', nav: 'admin', roles: ['administrator', 'auditor'] },
  { path: '/admin/health', file: 'admin/Health', title: 'nav.health', nav: 'admin', roles: ['administrator', 'auditor'] },
  { path: '/profile', file: 'Profile', title: 'nav.profile', nav: 'user' },
  { path: '/help', file: 'Help', title: 'nav.help', nav: 'user' },
]

type Loaded = { default: Component<PageProps> }

/** Each page is a chunk of its own, loaded when it is opened. */
const files = import.meta.glob<Loaded>(['../pages/*.svelte', '../pages/admin/*.svelte'])

/** Tells whether a page is there. */
export function exists(route: PageRoute): boolean {
  return `../pages/${route.file}.svelte` in files
}

/** Loads a page. */
export async function load(route: PageRoute): Promise<Component<PageProps>> {
  const file = files[`../pages/${route.file}.svelte`]
  if (!file) throw new Error(`there is no page ${route.file}`)
  return (await file()).default
}
