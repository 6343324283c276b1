// Captions as they are told by the server, and as they stand on a screen. Pure: the clock is an argument.

/** A sentence as it stays, unless a person corrects it; `heard` is what was shown before, `speaker` who probably says it, from 1. */
export type Line = { line: number; stream: number; start_ms: number; end_ms: number; text: string; speaker?: number; heard?: string }
/** A sentence that is being spoken: `committed` only grows, `tail` may change. */
export type Tentative = { line: number; stream: number; start_ms: number; end_ms: number; committed: string; tail: string }
/** A mark or a heading, set while people spoke. */
export type Note = { id: string; what: string; at_ms: number; text: string }
export type Phase = 'recording' | 'paused' | 'ended' | 'sealed'
export type Status = { phase: Phase; recognition: string; sentence: string; lag_ms: number; level: string }

export type CaptionEvent = { seq: number } & (
  | ({ kind: 'tentative' } & Tentative)
  | ({ kind: 'final' } & Line)
  | { kind: 'withdrawn'; line: number }
  | { kind: 'corrected'; line: number; text: string }
  | ({ kind: 'mark' | 'agenda' } & Note)
  | { kind: 'message'; text: string }
  | ({ kind: 'state' } & Status)
  | { kind: 'snapshot'; lines: Line[]; tentative: Tentative[]; notes: Note[]; status: Status }
)

/** A sentence with the moment at which it came here; null for what was there before. */
export type Shown = Line & { came: number | null; correctedAt: number | null }
/** What somebody wrote to everybody; it stands behind the sentence `after`. */
export type Message = { seq: number; after: number; text: string; came: number }

export type Captions = Readonly<{
  /** The number of the last event that was seen. */
  seq: number | null
  lines: readonly Shown[]
  tentative: readonly Tentative[]
  notes: readonly Note[]
  messages: readonly Message[]
  status: Status | null
}>

/** Sentences that are kept: hours of talk; older ones stand in the minutes. */
const LINES_MAX = 3_000
const MESSAGES_MAX = 100

export const noCaptions: Captions = { seq: null, lines: [], tentative: [], notes: [], messages: [], status: null }

/** Takes in an event that came at `now`; one that was seen before changes nothing. */
export function told(before: Captions, event: CaptionEvent, now: number): Captions {
  if (event.kind !== 'snapshot' && before.seq !== null && event.seq <= before.seq) return before
  return { ...changed(before, event, now), seq: event.seq }
}

function changed(before: Captions, event: CaptionEvent, now: number): Captions {
  switch (event.kind) {
    case 'tentative': return { ...before, tentative: inOrder(before.tentative, event) }
    case 'final': {
      const known = before.lines.find((one) => one.line === event.line)
      const line: Shown = { ...event, came: known?.came ?? now, correctedAt: known?.correctedAt ?? null }
      return { ...before, tentative: without(before.tentative, event.line), lines: inOrder(before.lines, line).slice(-LINES_MAX) }
    }
    case 'withdrawn': return { ...before, tentative: without(before.tentative, event.line) }
    case 'corrected': return { ...before, lines: before.lines.map((one) => (one.line === event.line ? corrected(one, event.text, now) : one)) }
    case 'mark': case 'agenda': return { ...before, notes: [...before.notes.filter((note) => note.id !== event.id), event] }
    case 'message': {
      const message = { seq: event.seq, after: newest(before), text: event.text, came: now }
      return { ...before, messages: [...before.messages, message].slice(-MESSAGES_MAX) }
    }
    case 'state': return { ...before, status: event }
    case 'snapshot': return renewed(before, event, now)
  }
}

/** Everything at once replaces all but what people wrote: that is told only once. */
function renewed(before: Captions, all: CaptionEvent & { kind: 'snapshot' }, now: number): Captions {
  const known = new Map(before.lines.map((line) => [line.line, line]))
  const isFirst = before.seq === null
  const lines = all.lines.map((line): Shown => ({ ...line, came: known.get(line.line)?.came ?? (isFirst ? null : now), correctedAt: known.get(line.line)?.correctedAt ?? null }))
  const oldest = lines[0]?.line ?? Infinity
  return {
    ...before, lines: [...before.lines.filter((line) => line.line < oldest), ...lines].slice(-LINES_MAX),
    tentative: all.tentative, notes: all.notes, status: all.status,
  }
}

function corrected(line: Shown, text: string, now: number): Shown {
  return { ...line, heard: line.heard ?? line.text, text, correctedAt: now }
}

function without<T extends { line: number }>(all: readonly T[], line: number): readonly T[] {
  return all.some((one) => one.line === line) ? all.filter((one) => one.line !== line) : all
}

function inOrder<T extends { line: number }>(all: readonly T[], one: T): T[] {
  const at = all.findIndex((other) => other.line >= one.line)
  if (at < 0) return [...all, one]
  return [...all.slice(0, at), one, ...all.slice(all[at]?.line === one.line ? at + 1 : at)]
}

function newest(captions: Captions): number {
  return Math.max(0, captions.lines.at(-1)?.line ?? 0, captions.tentative.at(-1)?.line ?? 0)
}

/** Returns the item of the agenda that is being spoken about. */
export function agendaNow(captions: Captions): Note | null {
  return captions.notes.findLast((note) => note.what === 'agenda') ?? null
}

/** Something on the screen: a sentence, or what somebody wrote. `settled` stays, `loose` may change. */
export type Passage = { key: string; line: number | null; stream: number | null; speaker: number | null; settled: string; loose: string; isCorrected: boolean; isMessage: boolean }

/** Returns what a screen shows at `now` that holds captions back for `delayMs`: meanwhile they can be corrected. */
export function passages(captions: Captions, now: number, delayMs: number): Passage[] {
  const isDue = (came: number | null) => came === null || came + delayMs <= now
  const found: { order: number; passage: Passage }[] = []
  for (const line of captions.lines) {
    if (!isDue(line.came) || line.text === '') continue
    found.push({ order: line.line, passage: { key: `l${line.line}`, line: line.line, stream: line.stream, speaker: line.speaker ?? null, settled: line.text, loose: '', isCorrected: line.heard !== undefined, isMessage: false } })
  }
  // What may still change is not held back: it is not shown at all.
  for (const one of delayMs > 0 ? [] : captions.tentative) {
    if (one.committed + one.tail === '') continue
    found.push({ order: one.line, passage: { key: `l${one.line}`, line: one.line, stream: one.stream, speaker: null, settled: one.committed, loose: one.tail, isCorrected: false, isMessage: false } })
  }
  for (const one of captions.messages) {
    if (!isDue(one.came)) continue
    found.push({ order: one.after + 0.5, passage: { key: `m${one.seq}`, line: null, stream: null, speaker: null, settled: one.text, loose: '', isCorrected: false, isMessage: true } })
  }
  return found.sort((a, b) => a.order - b.order).map(({ passage }) => passage)
}

/** Returns when the next caption that is held back comes due; null if none is. */
export function nextDue(captions: Captions, now: number, delayMs: number): number | null {
  const waiting = [...captions.lines.slice(-50).map((line) => line.came), ...captions.messages.slice(-5).map((one) => one.came)]
    .flatMap((came) => (came !== null && came + delayMs > now ? [came + delayMs] : []))
  return waiting.length > 0 ? Math.min(...waiting) : null
}

/** Returns the speaker to be named before a passage: who has just spoken is not named again. */
export function named(passages: readonly Passage[], index: number): number | null {
  const speaker = passages[index]?.speaker ?? null
  let before = index - 1
  while (passages[before]?.isMessage) before--
  return speaker !== (passages[before]?.speaker ?? null) ? speaker : null
}

/** A row of the hall's screen; `speaker` is to be named at its beginning, `stream` where no speaker is known. */
export type Row = { key: string; line: number | null; settled: string; loose: string; isMessage: boolean; isFirst: boolean; stream: number | null; speaker: number | null }

/** A row must not begin with these; they hang at its end. */
const NOT_FIRST = /[\p{Pe}\p{Pf},.!?、。，．・：；？！\u30fc\u3005\u3041\u3043\u3045\u3047\u3049\u3063\u3083\u3085\u3087\u308e\u30a1\u30a3\u30a5\u30a7\u30a9\u30c3\u30e3\u30e5\u30e7\u30ee]/u
/** A row must not end with these. */
const NOT_LAST = /[\p{Ps}\p{Pi}]/u

/** Returns how wide a character is, in full-width characters. */
function width(character: string): number {
  return /[\u0020-\u007e\uff61-\uff9f]/.test(character) ? 0.5 : 1
}

/** Cuts passages into rows of at most `most` full-width characters (one more, where a mark hangs), by the rules of Japanese print. */
export function rows(passages: readonly Passage[], most: number): Row[] {
  return passages.flatMap((passage, at) => {
    const characters = [...passage.settled, ...passage.loose]
    const settled = [...passage.settled].length
    const cuts = cutsOf(characters, most)
    return cuts.map((from, index): Row => {
      const to = cuts[index + 1] ?? characters.length
      const text = (a: number, b: number) => characters.slice(a, Math.max(a, b)).join('')
      return {
        key: `${passage.key}.${index}`, line: passage.line, stream: passage.speaker === null ? passage.stream : null, isMessage: passage.isMessage, isFirst: index === 0,
        speaker: index === 0 ? named(passages, at) : null,
        settled: text(from, Math.min(to, settled)), loose: text(Math.max(from, settled), to),
      }
    })
  })
}

function cutsOf(characters: string[], most: number): number[] {
  const cuts = [0]
  let [filled, at] = [0, 0]
  while (at < characters.length) {
    const start = cuts.at(-1) ?? 0
    const character = characters[at] ?? ''
    const wide = width(character)
    if (filled + wide <= most || at === start) {
      filled += wide
      at++
      continue
    }
    // One mark may hang over the edge.
    if (NOT_FIRST.test(character) && filled <= most && filled + wide <= most + 1) {
      filled += wide
      at++
      if (at < characters.length && !NOT_FIRST.test(characters[at] ?? '')) { cuts.push(at); filled = 0 }
      continue
    }
    let cut = at
    while (cut > start + 1 && (NOT_FIRST.test(characters[cut] ?? '') || NOT_LAST.test(characters[cut - 1] ?? ''))) cut--
    if (cut <= start + 1) cut = at
    cuts.push(cut)
    filled = characters.slice(cut, at).reduce((sum, one) => sum + width(one), 0)
  }
  return cuts
}

/** Captions are behind by so much that it is worth a word. */
export const LAG_TOLD_MS = 5_000

/** Returns by how many seconds captions are behind, if that is worth a word. */
export function lagSeconds(status: Status | null): number | null {
  return status && status.lag_ms > LAG_TOLD_MS ? Math.round(status.lag_ms / 1000) : null
}

/** Tells whether a sentence changed under the hands of somebody who corrects it, begun from `from`. */
export function isOvertaken(captions: Captions, line: number, from: string): string | null {
  const now = captions.lines.find((one) => one.line === line)
  return now && now.text !== from ? now.text : null
}

/** Colours of captions: letters, ground, and letters that may still change. */
export type Colours = { name: 'navy' | 'black' | 'yellow' | 'white' | 'cream'; ink: string; ground: string; loose: string }
export const colours: readonly Colours[] = [
  { name: 'navy', ink: '#ffffff', ground: '#0b1f4b', loose: '#b9c8e8' },
  { name: 'black', ink: '#ffffff', ground: '#000000', loose: '#b8b8b8' },
  { name: 'yellow', ink: '#ffe94a', ground: '#000000', loose: '#c9b94a' },
  { name: 'white', ink: '#000000', ground: '#ffffff', loose: '#4f4f4f' },
  { name: 'cream', ink: '#1a1a1a', ground: '#fdf4dc', loose: '#504a3c' },
]

/** Returns the contrast of two colours, 1 to 21, as WCAG defines it. */
export function contrast(a: string, b: string): number {
  const light = (colour: string) => {
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)) as [number, number, number]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const [bright, dark] = [light(a), light(b)].sort((x, y) => y - x) as [number, number]
  return (bright + 0.05) / (dark + 0.05)
}

/** Returns the first row that a screen of `most` rows shows: it only ever moves on, so that no row comes back down. */
export function firstRow(all: readonly Row[], previous: string | null, most: number): number {
  const before = previous === null ? -1 : all.findIndex((row) => row.key === previous)
  return Math.max(0, before, all.length - most)
}
