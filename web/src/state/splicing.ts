// Utterances cut in two and put together: the twin of src/minutes/edit/splicing.rs.
import { chars, MARKS, unitOf, type Utterance, type Word } from './minutes'
import { wordStarts } from './tie'

/** Cuts an utterance before a character, its words and its time at the border of words nearest to it. */
export function split(whole: Utterance, at: number, fresh: number): [Utterance, Utterance] | null {
  const unit = unitOf(whole.text, at)
  if (unit === null || unit < 1 || unit >= whole.text.length) return null
  const words = whole.words ?? []
  const cut = nearestBorder(whole, words, at)
  const first: Utterance = { ...whole, text: whole.text.slice(0, unit), words: words.slice(0, cut) }
  const second: Utterance = { ...whole, id: fresh, text: whole.text.slice(unit), words: words.slice(cut) }
  const [end, start] = borderMs(whole, first, second)
  first.end_ms = end
  second.start_ms = start
  first.confidence = confidence(first.words ?? []) ?? whole.confidence
  second.confidence = confidence(second.words ?? []) ?? whole.confidence
  return [first, second]
}

/** Returns how many words go to the first side: at least one to each if there are two or more. */
function nearestBorder(whole: Utterance, words: Word[], at: number): number {
  if (words.length < 2) return at * 2 >= chars(whole.text) ? words.length : 0
  const starts = wordStarts(whole.text, words)
  let best = 1
  const away = (index: number) => Math.abs((starts[index] ?? 0) - at)
  for (let index = 2; index < words.length; index++) if (away(index) < away(best)) best = index
  return best
}

function borderMs(whole: Utterance, first: Utterance, second: Utterance): [number, number] {
  const within = (ms: number) => Math.min(Math.max(ms, whole.start_ms), whole.end_ms)
  const [last, next] = [first.words?.at(-1), second.words?.[0]]
  if (last && next) return [within(last.end_ms), within(next.start_ms)]
  const share = Math.floor(((whole.end_ms - whole.start_ms) * chars(first.text)) / Math.max(1, chars(whole.text)))
  return [whole.start_ms + share, whole.start_ms + share]
}

/** Puts two utterances together; the first one keeps its name, and its speaker if it has one. */
export function joined(first: Utterance, second: Utterance): Utterance {
  const marks = new Set([...(first.marks ?? []), ...(second.marks ?? [])])
  const flags = first.flags ?? []
  const weights = [first, second].map((side): [number, number] => [chars(side.text), side.confidence])
  return {
    ...first,
    text: first.text + joint(first.text, second.text) + second.text,
    words: [...(first.words ?? []), ...(second.words ?? [])],
    speaker: first.speaker ?? second.speaker,
    start_ms: Math.min(first.start_ms, second.start_ms),
    end_ms: Math.max(first.end_ms, second.end_ms),
    confidence: weighted(weights) ?? first.confidence,
    marks: MARKS.filter((mark) => marks.has(mark)),
    flags: [...flags, ...(second.flags ?? []).filter((flag) => !flags.includes(flag))],
    edited: Boolean(first.edited || second.edited),
  }
}

/** A space between Latin words, nothing in Japanese. */
function joint(left: string, right: string): string {
  return /[A-Za-z.,!?;:]$/.test(left) && /^[A-Za-z]/.test(right) ? ' ' : ''
}

const confidence = (words: Word[]) => weighted(words.map((word) => [chars(word.text), word.confidence]))

/** Returns the mean of values, each with its weight; the server counts in single precision. */
function weighted(values: [number, number][]): number | null {
  const weight = values.reduce((sum, [one]) => sum + one, 0)
  const sum = values.reduce((all, [one, value]) => all + one * value, 0)
  return weight > 0 ? Math.fround(Math.min(1, Math.max(0, sum / weight))) : null
}
