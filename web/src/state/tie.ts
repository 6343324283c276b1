// Ties an edited text to the words it came from, and so to the sound: the twin of src/minutes/tie.rs.
import type { Utterance, Word } from './minutes'

const ALIGNED_CHARS_MAX = 100_000
/** Below this many cells the plain table is used; above, the columns are halved, so that memory stays small. */
const TABLE_CELLS_MAX = 4_096

/** Returns for each word where it begins in the text, in characters: never falling, the first one 0. */
export function wordStarts(text: string, words: Word[]): number[] {
  const written = [...text]
  const heard = words.flatMap((word) => [...word.text])
  const firsts: number[] = []
  let sum = 0
  for (const word of words) {
    firsts.push(sum)
    sum += [...word.text].length
  }
  if (text === words.map((word) => word.text).join('')) return firsts
  if (written.length + heard.length > ALIGNED_CHARS_MAX || heard.length === 0) {
    return firsts.map((first) => Math.floor((first * written.length) / Math.max(heard.length, 1)))
  }
  const at = new Array<number>(heard.length + 1).fill(written.length)
  let place = 0
  for (const [inText, inHeard] of align(written, heard)) {
    if (inHeard !== null) at[inHeard] = place
    if (inText !== null) place++
  }
  return firsts.map((first, index) => (index === 0 ? 0 : (at[first] ?? written.length)))
}

/** Returns when the character at a place is heard. */
export function timeAt(utterance: Utterance, at: number): number {
  const words = utterance.words ?? []
  if (words.length === 0) {
    const share = at / Math.max(1, [...utterance.text].length)
    return Math.round(utterance.start_ms + (utterance.end_ms - utterance.start_ms) * Math.min(1, share))
  }
  const starts = wordStarts(utterance.text, words)
  let found = 0
  for (const [index, start] of starts.entries()) if (start <= at) found = index
  return words[found]?.start_ms ?? utterance.start_ms
}

type Pair = [number | null, number | null]

/** Aligns two runs of characters with the fewest substitutions, deletions and insertions. */
function align(rows: string[], columns: string[]): Pair[] {
  const pairs: Pair[] = []
  solve(rows, columns, 0, rows.length, 0, columns.length, pairs)
  return pairs
}

function solve(rows: string[], columns: string[], r0: number, r1: number, c0: number, c1: number, pairs: Pair[]): void {
  if (c1 - c0 <= 1 || (r1 - r0 + 1) * (c1 - c0 + 1) <= TABLE_CELLS_MAX) return byTable(rows, columns, r0, r1, c0, c1, pairs)
  const middle = c0 + Math.floor((c1 - c0) / 2)
  const before = lastColumn(rows.slice(r0, r1), columns.slice(c0, middle))
  const after = lastColumn(rows.slice(r0, r1).reverse(), columns.slice(middle, c1).reverse()).reverse()
  let best = 0
  const cost = (index: number) => (before[index] ?? 0) + (after[index] ?? 0)
  for (let index = 1; index < before.length; index++) if (cost(index) < cost(best)) best = index
  solve(rows, columns, r0, r0 + best, c0, middle, pairs)
  solve(rows, columns, r0 + best, r1, middle, c1, pairs)
}

/** Returns the distance of every prefix of `rows` to the whole of `columns`. */
function lastColumn(rows: string[], columns: string[]): number[] {
  let column = Array.from({ length: rows.length + 1 }, (_, index) => index)
  for (const symbol of columns) {
    const next = [(column[0] ?? 0) + 1]
    for (let r = 0; r < rows.length; r++) {
      const diagonal = (column[r] ?? 0) + (rows[r] === symbol ? 0 : 1)
      next.push(Math.min(diagonal, (column[r + 1] ?? 0) + 1, (next[r] ?? 0) + 1))
    }
    column = next
  }
  return column
}

function byTable(rows: string[], columns: string[], r0: number, r1: number, c0: number, c1: number, pairs: Pair[]): void {
  const [height, width] = [r1 - r0, c1 - c0 + 1]
  const cells = new Int32Array((height + 1) * width)
  const at = (r: number, c: number) => cells[r * width + c] ?? 0
  for (let c = 0; c < width; c++) cells[c] = c
  for (let r = 1; r <= height; r++) {
    cells[r * width] = r
    for (let c = 1; c < width; c++) {
      const diagonal = at(r - 1, c - 1) + (rows[r0 + r - 1] === columns[c0 + c - 1] ? 0 : 1)
      cells[r * width + c] = Math.min(diagonal, at(r - 1, c) + 1, at(r, c - 1) + 1)
    }
  }
  const back: Pair[] = []
  let [r, c] = [height, width - 1]
  while (r > 0 || c > 0) {
    const differs = r > 0 && c > 0 && rows[r0 + r - 1] !== columns[c0 + c - 1]
    if (r > 0 && c > 0 && at(r, c) === at(r - 1, c - 1) + (differs ? 1 : 0)) back.push([r0 + --r, c0 + --c])
    else if (r > 0 && at(r, c) === at(r - 1, c) + 1) back.push([r0 + --r, null])
    else back.push([null, c0 + --c])
  }
  for (const pair of back.reverse()) pairs.push(pair)
}
