// Words that the recogniser was unsure of, as places of the text as it is now. Pure; an utterance is looked at once.
import { unitOf, type Utterance } from './minutes'
import { wordStarts } from './tie'

/** Below this a word is worth a look: start value, to be set by what people correct. */
export const SURE_FROM = 0.45

const known = new WeakMap<Utterance, [number, number][]>()

/** Returns the stretches of unsure words, in UTF-16 units. A word that a person changed is theirs, and sure. */
export function unsure(utterance: Utterance): [number, number][] {
  const found = known.get(utterance)
  if (found) return found
  const made = stretches(utterance)
  known.set(utterance, made)
  return made
}

function stretches({ text, words = [], hidden }: Utterance): [number, number][] {
  if (hidden || !words.some((word) => word.confidence < SURE_FROM)) return []
  const starts = wordStarts(text, words)
  const out: [number, number][] = []
  for (const [index, word] of words.entries()) {
    if (word.confidence >= SURE_FROM || !/[\p{L}\p{N}]/u.test(word.text)) continue
    const from = unitOf(text, starts[index] ?? 0)
    if (from === null || !text.startsWith(word.text, from)) continue
    const last = out.at(-1)
    if (last && last[1] === from) last[1] = from + word.text.length
    else out.push([from, from + word.text.length])
  }
  return out
}
