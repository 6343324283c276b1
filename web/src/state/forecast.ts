// 混雑予報: which hours of today are still to come and expected to be full. Pure.

export type Hour = { hour: number; crowded: boolean }
/** Hours in a row: from the beginning of the first to the end of the last. */
export type Span = { from: number; until: number }

const OFFICE = 'Asia/Tokyo'

/** Returns the hour of the office's day. */
export function officeHour(at: Date): number {
  return Number(at.toLocaleString('en-GB', { timeZone: OFFICE, hour: '2-digit', hourCycle: 'h23' }))
}

/** Returns the crowded hours from now on, those in a row together. */
export function crowded(hours: readonly Hour[], now: number): Span[] {
  const spans: Span[] = []
  for (const { hour } of hours.filter((one) => one.crowded && one.hour >= now).toSorted((a, b) => a.hour - b.hour)) {
    const last = spans.at(-1)
    if (last?.until === hour) last.until = hour + 1
    else spans.push({ from: hour, until: hour + 1 })
  }
  return spans
}
