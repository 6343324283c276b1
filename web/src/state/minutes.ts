// The nouns of minutes as they cross the wire. Values are never changed in place: an edit makes new ones and shares the
// rest, so that two states are compared by identity, block by block.

export type Word = { start_ms: number; end_ms: number; text: string; confidence: number }
export type Mark = 'decision' | 'issue' | 'todo' | 'important' | 'check' | 'inaudible'
export type ItemKind = 'decision' | 'issue' | 'todo'

export type Utterance = {
  kind: 'utterance'; id: number; speaker?: number | null; start_ms: number; end_ms: number; text: string; words?: Word[]
  confidence: number; flags?: string[]; marks?: Mark[]; hidden?: string | null; edited?: boolean
}
export type Heading = { kind: 'heading'; id: number; level: number; text: string; at_ms?: number | null }
export type Gap = { kind: 'gap'; id: number; start_ms: number; end_ms: number; reason: string }
export type Block = Utterance | Heading | Gap

export type Speaker = { id: number; name: string; role?: string; public_name?: string }
export type Item = { id: number; kind: ItemKind; text: string; source: number; assignee?: string; due?: string; done?: boolean }
export type Header = { [field: string]: string }
export type Minutes = { version: number; header: Header; speakers: Speaker[]; blocks: Block[]; items: Item[] }

/** One thing a person does. Units: places are counted in characters (Unicode scalar values), not UTF-16 units. */
export type Op =
  | { op: 'set_header'; field: string; value: string }
  | { op: 'splice'; block: number; at: number; remove: string; insert: string }
  | { op: 'set_text'; block: number; text: string }
  | { op: 'split'; block: number; at: number; new: number }
  | { op: 'join'; block: number; next: number }
  | { op: 'add_heading'; id: number; level: number; text: string; before?: number | null }
  | { op: 'set_level'; block: number; level: number }
  | { op: 'remove_heading'; block: number }
  | { op: 'set_speaker'; blocks: number[]; speaker?: number | null }
  | { op: 'put_speaker'; speaker: Speaker }
  | { op: 'merge_speakers'; from: number; into: number }
  | { op: 'remove_speaker'; speaker: number }
  | { op: 'set_mark'; block: number; mark: Mark; on: boolean }
  | { op: 'set_hidden'; block: number; reason?: string | null }
  | { op: 'set_edited'; block: number; on: boolean }
  | { op: 'move_speaker'; speaker: number; before?: number | null }
  | { op: 'put_item'; item: Item }
  | { op: 'remove_item'; id: number }
  | { op: 'move_item'; id: number; before?: number | null }
  | { op: 'put_blocks'; remove: number[]; put: Block[]; before?: number | null }

/** The marks in the order of the product. */
export const MARKS: Mark[] = ['decision', 'issue', 'todo', 'important', 'check', 'inaudible']

/** Counts characters as the server does: a character outside the basic plane is one. */
export function chars(text: string): number {
  let count = 0
  // Every UTF-16 unit but the second halves of pairs.
  for (let at = 0; at < text.length; at++) if ((text.charCodeAt(at) & 0xfc00) !== 0xdc00) count++
  return count
}

/** Returns the UTF-16 place of a character; the end of the text is a place too, beyond it there is none. */
export function unitOf(text: string, at: number): number | null {
  let unit = 0
  for (let left = at; left > 0; left--) {
    if (unit >= text.length) return null
    unit += (text.charCodeAt(unit) & 0xfc00) === 0xd800 && unit + 1 < text.length ? 2 : 1
  }
  return unit
}

/** Returns the character that a UTF-16 place is. */
export function charOf(text: string, unit: number): number {
  return chars(text.slice(0, unit))
}

/** Returns the text of a block; a gap has none. */
export function textOf(block: Block): string {
  return block.kind === 'gap' ? '' : block.text
}

/** Returns when a block begins, in milliseconds since the recording began; null where nobody knows. */
export function startOf(block: Block): number | null {
  return block.kind === 'heading' ? (block.at_ms ?? null) : block.start_ms
}

/** Returns the least change that makes one text the other, as a splice; null if they are equal. */
export function spliceBetween(block: number, before: string, after: string): Op | null {
  if (before === after) return null
  const least = Math.min(before.length, after.length)
  let head = 0
  while (head < least && before.charCodeAt(head) === after.charCodeAt(head)) head++
  let tail = 0
  while (tail < least - head && before.charCodeAt(before.length - 1 - tail) === after.charCodeAt(after.length - 1 - tail)) tail++
  // A pair of units is one character and is not cut.
  if (head > 0 && (before.charCodeAt(head - 1) & 0xfc00) === 0xd800) head--
  if (tail > 0 && (before.charCodeAt(before.length - tail) & 0xfc00) === 0xdc00) tail--
  return {
    op: 'splice', block, at: charOf(before, head),
    remove: before.slice(head, before.length - tail), insert: after.slice(head, after.length - tail),
  }
}
