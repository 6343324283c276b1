// A day of seats, minute by minute: the figures to draw and to read.

export type MinuteRow = { at: number; peak: number; waiting: number; denied: number }
/** What a day comes to. */
export type DaySummary = { peak: number; peakAt: number; waiting: number; denied: number }
/** An hour of it, for the table. */
export type HourRow = { at: number; peak: number; waiting: number; denied: number }

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** The server counts days where the office is. */
const OFFICE = 'Asia/Tokyo'

/** Returns the office's day of a moment, as 2026-11-22. */
export function officeDay(at: Date): string {
  return at.toLocaleDateString('sv-SE', { timeZone: OFFICE })
}

/** Writes a moment of the office's day. */
export function officeClock(ms: number): string {
  return new Date(ms).toLocaleTimeString('ja-JP', { timeZone: OFFICE, hour: 'numeric', minute: '2-digit' })
}

/** Puts a minute without anything where none was recorded, so that a drawing shows no slope that was none. */
export function filled(rows: MinuteRow[]): MinuteRow[] {
  const [first, last] = [rows[0], rows.at(-1)]
  if (!first || !last) return []
  const known = new Map(rows.map((row) => [row.at, row]))
  const count = Math.min(1440, Math.round((last.at - first.at) / MINUTE) + 1)
  return Array.from({ length: count }, (_, index) => {
    const at = first.at + index * MINUTE
    return known.get(at) ?? { at, peak: 0, waiting: 0, denied: 0 }
  })
}

/** Adds the end of the last minute, so that it is drawn, too. */
export function closed(rows: MinuteRow[]): MinuteRow[] {
  const last = rows.at(-1)
  return last ? [...rows, { at: last.at + MINUTE, peak: 0, waiting: 0, denied: 0 }] : []
}

/** Sums up a day. */
export function summary(rows: MinuteRow[]): DaySummary {
  return rows.reduce((sum, row) => ({
    peak: Math.max(sum.peak, row.peak), peakAt: row.peak > sum.peak ? row.at : sum.peakAt,
    waiting: Math.max(sum.waiting, row.waiting), denied: sum.denied + row.denied,
  }), { peak: 0, peakAt: rows[0]?.at ?? 0, waiting: 0, denied: 0 })
}

/** Sums up hours, those with something in them. */
export function hours(rows: MinuteRow[]): HourRow[] {
  const all = new Map<number, HourRow>()
  for (const row of rows) {
    const at = Math.floor(row.at / HOUR) * HOUR
    const hour = all.get(at) ?? { at, peak: 0, waiting: 0, denied: 0 }
    all.set(at, { at, peak: Math.max(hour.peak, row.peak), waiting: Math.max(hour.waiting, row.waiting), denied: hour.denied + row.denied })
  }
  return [...all.values()].sort((one, other) => one.at - other.at)
}
