// Times and sizes as people read them. Pure; the reader's language is an argument.
import type { Language } from './text.svelte'

/** Writes a place in a recording: 1:02:03, or 2:03 within the first hour. */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  const two = (n: number) => String(n).padStart(2, '0')
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

const locales = { ja: 'ja-JP', en: 'en-GB' } as const

function unit(value: number, unit: 'hour' | 'minute' | 'second', language: Language): string {
  const unitDisplay = language === 'ja' ? 'long' : 'short'
  const text = new Intl.NumberFormat(locales[language], { style: 'unit', unit, unitDisplay }).format(value)
  return language === 'ja' ? text.replace(/\s/g, '') : text
}

/** Writes a duration: one hour twenty minutes, thirty-five seconds. */
export function duration(ms: number, language: Language): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  const parts: string[] = []
  if (h > 0) parts.push(unit(h, 'hour', language))
  if (m > 0) parts.push(unit(m, 'minute', language))
  // Nobody plans by the second what takes an hour.
  if (h === 0 && (s > 0 || m === 0)) parts.push(unit(s, 'second', language))
  return parts.join(language === 'ja' ? '' : ' ')
}

/** Writes a size: 820 KB, 1.4 GB. */
export function size(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let [value, unit] = [bytes, 0]
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1]
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** Writes a moment of the calendar. */
export function moment(unixMs: number, language: Language, withTime = true): string {
  const date = new Date(unixMs)
  const day: Intl.DateTimeFormatOptions = { year: 'numeric', month: 'numeric', day: 'numeric' }
  return date.toLocaleString(locales[language], withTime ? { ...day, hour: '2-digit', minute: '2-digit' } : day)
}

/** Writes a day given as 2026-11-22, with its weekday. */
export function day(text: string, language: Language): string {
  const [year, month, date] = text.split('-').map(Number)
  if (!year || !month || !date) return text
  const shape: Intl.DateTimeFormatOptions = { year: 'numeric', month: language === 'ja' ? 'long' : 'short', day: 'numeric', weekday: 'short' }
  return new Date(year, month - 1, date).toLocaleDateString(locales[language], shape)
}

/** Returns today as 2026-11-22, by the reader's calendar. */
export function today(now: Date = new Date()): string {
  const two = (n: number) => String(n).padStart(2, '0')
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`
}
