// Which templates a new meeting may begin with, and what the chosen one says. Pure.

type Kept = { id: string; department?: string | null; removed_at?: number | null; template: { name?: string; title?: string; preselected?: boolean } }

/** Returns the templates of a department and of the office, the department's own first. */
export function offered<K extends Kept>(all: readonly K[], department: string): K[] {
  const ours = all.filter((one) => !one.removed_at && (!one.department || one.department === department))
  const rank = (one: K) => (one.department ? 0 : 1)
  return ours.toSorted((a, b) => rank(a) - rank(b) || (a.template.name ?? '').localeCompare(b.template.name ?? '', 'ja'))
}

/** Returns the template that a new meeting begins with: the department's usual one, else the office's, else none. */
export function usual(templates: readonly Kept[]): string {
  return templates.find((one) => one.template.preselected)?.id ?? ''
}

/** Returns the title of a meeting on a day, as 2026-11-22, in the same way as the server. Without a day its places stay. */
export function titleOn(pattern: string, heldOn: string): string {
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(heldOn) ?? []
  if (!year || !month || !day) return pattern
  return pattern.replaceAll('{\u5e74}', year).replaceAll('{\u6708}', String(Number(month))).replaceAll('{\u65e5}', String(Number(day)))
}
