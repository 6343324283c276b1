// What every value of minutes must keep to: the twin of src/minutes/edit/bounds.rs.
import { refuse } from './edit'
import { chars, type Block, type Item, type Speaker } from './minutes'

const TEXT_CHARS_MAX = 20_000
const HEADER_CHARS_MAX = 10_000
const NAME_CHARS_MAX = 200
const WORD_CHARS_MAX = 100
const COUNTS_MAX = { blocks: 50_000, items: 5_000, speakers: 200 }
const bad = (what: string, value: unknown): never => refuse('bad_value', { what, value: String(value) })

function text(what: string, value: string, chars_max = TEXT_CHARS_MAX): void {
  if (value.length <= chars_max) return
  const count = chars(value)
  if (count > chars_max) refuse('too_long', { what, chars: count, chars_max })
}

/** Each passes what may be, and refuses the operation otherwise. */
export const within = {
  text,
  id(what: string, id: number): void {
    if (!Number.isSafeInteger(id) || id < 1) bad(what, id)
  },
  count(what: keyof typeof COUNTS_MAX, count: number): void {
    if (count > COUNTS_MAX[what]) refuse('too_many', { what, count, count_max: COUNTS_MAX[what] })
  },
  header(field: string, value: string): void {
    text('header', value, HEADER_CHARS_MAX)
    if (value === '') return
    if (field === 'held_on' && !isDate(value)) bad('header', value)
    if ((field === 'starts_at' || field === 'ends_at') && !/^([01]\d|2[0-3]):[0-5]\d$/.test(value)) bad('header', value)
  },
  speaker(speaker: Speaker): void {
    within.id('speaker', speaker.id)
    text('name', speaker.name, NAME_CHARS_MAX)
    text('role', speaker.role ?? '', NAME_CHARS_MAX)
    text('public_name', speaker.public_name ?? '', NAME_CHARS_MAX)
    if (speaker.name.trim() === '') bad('name', speaker.name)
  },
  item(item: Item): void {
    within.id('item', item.id)
    text('item', item.text)
    text('assignee', item.assignee ?? '', NAME_CHARS_MAX)
    if (item.due && !isDate(item.due)) bad('due', item.due)
  },
  level(level: number): void {
    if (!(level >= 1 && level <= 3)) bad('level', level)
  },
  stableWord(what: string, word: string): void {
    if (word === '') bad(what, word)
    text(what, word, WORD_CHARS_MAX)
  },
  block(block: Block): void {
    within.id('block', block.id)
    if (block.kind === 'heading') {
      within.level(block.level)
      text('text', block.text)
      return
    }
    if (block.end_ms < block.start_ms) bad('time', `${block.start_ms} to ${block.end_ms} ms`)
    if (block.kind === 'gap') return within.stableWord('reason', block.reason)
    text('text', block.text)
    if (!(block.confidence >= 0 && block.confidence <= 1)) bad('confidence', block.confidence)
    for (const word of block.words ?? []) {
      if (word.end_ms < word.start_ms) bad('time', `${word.start_ms} to ${word.end_ms} ms`)
      if (!(word.confidence >= 0 && word.confidence <= 1)) bad('confidence', word.confidence)
    }
    for (const flag of block.flags ?? []) within.stableWord('flag', flag)
    if (block.hidden !== undefined && block.hidden !== null) within.stableWord('reason', block.hidden)
  },
}

/** Tells whether a text is a day of the calendar, as 2026-11-22. */
export function isDate(value: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(value)) return false
  const date = new Date(`${value}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(value)
}
