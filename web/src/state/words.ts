// Registered words: found, compared, and shown a window at a time.

type Word = { id: string; written: string; reading?: string; sources?: string[]; note?: string }

/** Folds what a person would call the same: widths, cases, the two kinds of kana. */
export function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase().replace(/[\u30a1-\u30f6]/g, (kana) => String.fromCharCode(kana.charCodeAt(0) - 0x60))
}

/** A list with what is looked for in each, folded once: a key stroke then costs little, whatever the length. */
export type Index<W extends Word> = { word: W; text: string; key: string }[]

/** Makes an index. */
export function index<W extends Word>(words: W[]): Index<W> {
  return words.map((word) => ({
    word, key: fold(word.written), text: fold([word.written, word.reading ?? '', ...(word.sources ?? []), word.note ?? ''].join('\n')),
  }))
}

/** Returns the words in which every part of the query stands. */
export function findWords<W extends Word>(list: Index<W>, query: string): W[] {
  const parts = fold(query).split(/\s+/).filter(Boolean)
  return list.filter(({ text }) => parts.every((part) => text.includes(part))).map(({ word }) => word)
}

/** Returns the names of words that are written alike, or of which one is the misrecognition of two. */
export function duplicates<W extends Word>(list: Index<W>): Set<string> {
  const seen = new Map<string, string[]>()
  for (const { word, key } of list) {
    const keys = new Set([key, ...(word.sources ?? []).map(fold)])
    for (const one of keys) seen.set(one, [...(seen.get(one) ?? []), word.id])
  }
  return new Set([...seen.values()].filter((ids) => ids.length > 1).flat())
}

/** Which rows are drawn: those in sight and a few more on both sides. */
export function windowOf(scrolled: number, height: number, rowHeight: number, count: number, spare = 8): { from: number; to: number } {
  const first = Math.floor(Math.max(0, scrolled) / rowHeight)
  const seen = Math.ceil(height / rowHeight) + 1
  const from = Math.max(0, Math.min(first, count - seen) - spare)
  return { from, to: Math.min(count, Math.max(0, first) + seen + spare) }
}
