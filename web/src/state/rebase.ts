// Operations made on an older revision, carried over what others did since: the twin of src/minutes/edit/rebase.rs.
// What cannot both be is told with both sides; a person decides. Pure.
import { chars, type Block, type Op } from './minutes'

export type Thing = { of: 'header'; field: string } | { of: 'block'; block: number } | { of: 'speaker'; speaker: number } | { of: 'item'; item: number }
export type Clash = 'text' | 'value' | 'gone' | 'in_use' | 'name_taken' | 'order'

/** Two people did what cannot both be: `mine` and `since` count from 0 in their lists. */
export type Conflict = { mine: number; since: number; thing: Thing; clash: Clash }

/** Thrown by `rebase`. */
export class Conflicting extends Error {
  constructor(readonly conflict: Conflict) { super(`${conflict.clash}`) }
}

type Clashing = { thing: Thing; clash: Clash }
type Access = 'reads' | 'adds' | 'writes' | 'makes' | 'ends'
type Facet = { key: string; thing: Thing; told: 'block' | 'seam' | 'text' | 'value' | 'lasting' | 'order' }
type Touch = { facet: Facet; access: Access }
type Kept = { index: number; op: Op; touches: Map<string, Touch> }

/** Carries operations of one person over those that others made since the revision they were made on. */
export function rebase(mine: Op[], since: Op[]): Op[] {
  return rebaseNumbered(mine, since).map(([, op]) => op)
}

/** As `rebase`, with the number that each operation had in `mine`: what others did likewise is left out. */
export function rebaseNumbered(mine: Op[], since: Op[]): [number, Op][] {
  const kept: (Kept | null)[] = mine.map((op, index) => ({ index, op, touches: touches(op) }))
  const places = new Map<string, Set<number>>()
  const note = (at: number) => {
    for (const key of kept[at]?.touches.keys() ?? []) {
      const known = places.get(key)
      if (known) known.add(at)
      else places.set(key, new Set([at]))
    }
  }
  const meeting = (theirs: Kept, from: number) => {
    const found = new Set<number>()
    for (const key of theirs.touches.keys()) for (const at of places.get(key) ?? []) if (at >= from) found.add(at)
    return found
  }
  kept.forEach((_, at) => note(at))
  for (const [index, op] of since.entries()) pass({ index, op, touches: touches(op) }, kept, note, meeting)
  return kept.flatMap((one): [number, Op][] => (one ? [[one.index, one.op]] : []))
}

/** Carries all of mine over one of theirs, and theirs over each of mine on the way. */
function pass(theirs: Kept, kept: (Kept | null)[], note: (at: number) => void, meeting: (theirs: Kept, from: number) => Set<number>): void {
  const waiting = meeting(theirs, 0)
  while (waiting.size > 0) {
    const at = Math.min(...waiting)
    waiting.delete(at)
    const own = kept[at]
    if (!own || shared(own.touches, theirs.touches).length === 0) continue
    if (same(own.op, theirs.op) && !(own.op.op === 'splice' && own.op.remove === '')) {
      kept[at] = null
      return
    }
    const told = ({ thing, clash }: Clashing) => new Conflicting({ mine: own.index, since: theirs.index, thing, clash })
    const carried = carry(own.op, theirs.op, 'follows')
    if (carried && 'clash' in carried) throw told(carried)
    const left = carry(theirs.op, own.op, 'leads')
    if (left && 'clash' in left) throw told(left)
    kept[at] = carried ? { index: own.index, op: carried, touches: touches(carried) } : null
    note(at)
    if (!left) return
    if (!same(left, theirs.op)) {
      theirs = { index: theirs.index, op: left, touches: touches(left) }
      for (const next of meeting(theirs, at + 1)) waiting.add(next)
    }
  }
}

const same = (a: Op, b: Op) => a === b || canonical(a) === canonical(b)

/** Writes an operation in one way: absent and null are the same, and so are orders of names. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).filter(([, one]) => one !== null && one !== undefined).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, one]) => `${key}:${canonical(one)}`).join()}}`
}

type Tie = 'leads' | 'follows'

/** Returns an operation as it reads after another one; null if nothing is left of it. */
function carry(op: Op, past: Op, tie: Tie): Op | Clashing | null {
  const beside = onOneText(op, past, tie) ?? onOneSpeaker(op, past)
  if (beside) return beside
  const clash = clashOf(op, past)
  // A note that nobody changed the text gives way to whoever did.
  if (op.op === 'set_edited') return clash ? null : op
  if (past.op === 'set_edited') return op
  return clash ?? op
}

const textClash = (block: number): Clashing => ({ thing: { of: 'block', block }, clash: 'text' })

/** Carries operations on one text or one seam that can stand side by side. */
function onOneText(op: Op, past: Op, tie: Tie): Op | Clashing | null {
  if (op.op === 'splice') {
    if (past.op === 'splice' && op.block === past.block) return overSplice(op, past, tie) ?? textClash(op.block)
    if (past.op === 'split' && op.block === past.block) return intoHalf(op, past) ?? textClash(op.block)
    if (past.op === 'join' && op.block === past.block) return op
  }
  if (op.op === 'split') {
    if (past.op === 'splice' && op.block === past.block) return splitAfter(op, past) ?? textClash(op.block)
    if (past.op === 'join' && op.block === past.block) return op
  }
  if (op.op === 'join') {
    if (past.op === 'splice' && op.block === past.block) return op
    if (past.op === 'split' && op.block === past.block) return { op: 'join', block: past.new, next: op.next }
    if (past.op === 'set_mark' && op.next === past.block) return op
    if (past.op === 'put_item' && past.item.source === op.next) return op
  }
  if (op.op === 'set_mark' && op.on && past.op === 'join' && op.block === past.next) return { ...op, block: past.block }
  if (op.op === 'put_item' && past.op === 'join' && op.item.source === past.next) return { op: 'put_item', item: { ...op.item, source: past.block } }
  if (op.op === 'set_speaker' && past.op === 'split' && op.blocks.includes(past.block)) return { ...op, blocks: [...op.blocks, past.new] }
  return null
}

/** Carries operations on speakers and on the order of lists that can stand side by side. */
function onOneSpeaker(op: Op, past: Op): Op | null {
  if (op.op === 'set_speaker') {
    if (past.op === 'set_speaker' && (op.speaker ?? null) === (past.speaker ?? null)) return op
    if (past.op === 'merge_speakers' && op.speaker === past.from) return { ...op, speaker: past.into }
  }
  if (op.op === 'merge_speakers') {
    if (past.op === 'set_speaker' && past.speaker === op.from) return op
    if (past.op === 'merge_speakers' && op.into === past.from && op.from !== past.into) return { ...op, into: past.into }
    if (past.op === 'merge_speakers' && op.from === past.into && op.into !== past.from) return op
  }
  const gone = (one: Op) => (one.op === 'remove_speaker' ? one.speaker : one.op === 'merge_speakers' ? one.from : null)
  if (op.op === 'move_speaker' && op.before && op.before === gone(past) && op.speaker !== op.before) return { op: 'move_speaker', speaker: op.speaker }
  if (past.op === 'move_speaker' && past.before && past.before === gone(op) && past.speaker !== past.before) return op
  if (op.op === 'move_item' && past.op === 'remove_item' && op.before === past.id && op.id !== past.id) return { op: 'move_item', id: op.id }
  if (op.op === 'remove_item' && past.op === 'move_item' && past.before === op.id && past.id !== op.id) return op
  return null
}

type Splice = Extract<Op, { op: 'splice' }>
type Split = Extract<Op, { op: 'split' }>

/** Shifts a splice over another one of the same text; null if they overlap. */
function overSplice(op: Splice, past: Splice, tie: Tie): Op | null {
  const [end, pastEnd] = [op.at + chars(op.remove), past.at + chars(past.remove)]
  const tied = op.at === past.at && op.remove === '' && past.remove === ''
  if ((tied && tie === 'leads') || (!tied && end <= past.at)) return op
  return pastEnd <= op.at ? { ...op, at: op.at - chars(past.remove) + chars(past.insert) } : null
}

/** Moves a splice into the half of a split it belongs to; null if it lies across the cut. */
function intoHalf(op: Splice, past: Split): Op | null {
  if (op.at >= past.at) return { ...op, block: past.new, at: op.at - past.at }
  return op.at + chars(op.remove) > past.at ? null : op
}

/** Shifts a cut over a splice of the same text; null if it lies inside or nothing is left before it. */
function splitAfter(op: Split, past: Splice): Op | null {
  if (past.at >= op.at) return op.at > 0 ? op : null
  if (past.at + chars(past.remove) > op.at) return null
  const at = op.at - chars(past.remove) + chars(past.insert)
  return at > 0 ? { ...op, at } : null
}

/** Tells what two operations cannot share, if there is something. */
function clashOf(op: Op, past: Op): Clashing | null {
  const clashing = shared(touches(op), touches(past)).filter(([own, other]) => !(own.access === other.access && (own.access === 'reads' || own.access === 'adds')))
  // What was put between neighbours says more than that one of them goes.
  const found = clashing.find(([own]) => own.facet.told === 'seam') ?? clashing[0]
  if (!found) return null
  const [own, other] = found
  const { thing, told } = own.facet
  switch (told) {
    case 'block': case 'lasting': return { thing, clash: lasting(own.access, other.access) }
    case 'seam': case 'order': return { thing, clash: 'order' }
    case 'text': return { thing, clash: 'text' }
    case 'value': return { thing, clash: 'value' }
  }
}

function lasting(own: Access, other: Access): Clash {
  if (own === 'makes' && other === 'makes') return 'name_taken'
  if (other === 'ends' || other === 'makes') return 'gone'
  if (own === 'ends' || own === 'makes') return 'in_use'
  return other === 'writes' ? 'gone' : 'in_use'
}

/** Returns the facets that two lists share, in the order of facets, with both accesses. */
function shared(a: Map<string, Touch>, b: Map<string, Touch>): [Touch, Touch][] {
  const [few, many] = a.size <= b.size ? [a, b] : [b, a]
  const out: [Touch, Touch][] = []
  for (const [key, one] of few) {
    const other = many.get(key)
    if (other) out.push(few === a ? [one, other] : [other, one])
  }
  return out.sort(([x], [y]) => (x.facet.key < y.facet.key ? -1 : 1))
}

const wide = (id: number) => String(id).padStart(16, '0')

/** The kinds of facets; their keys sort as the server sorts them. */
const F = {
  header: (field: string): Facet => ({ key: `a${field}`, thing: { of: 'header', field }, told: 'value' }),
  block: (block: number): Facet => ({ key: `b${wide(block)}`, thing: { of: 'block', block }, told: 'block' }),
  seam: (block: number): Facet => ({ key: `c${wide(block)}`, thing: { of: 'block', block }, told: 'seam' }),
  text: (block: number): Facet => ({ key: `d${wide(block)}`, thing: { of: 'block', block }, told: 'text' }),
  level: (block: number): Facet => ({ key: `e${wide(block)}`, thing: { of: 'block', block }, told: 'value' }),
  hidden: (block: number): Facet => ({ key: `f${wide(block)}`, thing: { of: 'block', block }, told: 'value' }),
  speaks: (block: number): Facet => ({ key: `g${wide(block)}`, thing: { of: 'block', block }, told: 'value' }),
  mark: (block: number, mark: string): Facet => ({ key: `h${wide(block)}${mark}`, thing: { of: 'block', block }, told: 'value' }),
  speaker: (speaker: number): Facet => ({ key: `i${wide(speaker)}`, thing: { of: 'speaker', speaker }, told: 'lasting' }),
  speakerValues: (speaker: number): Facet => ({ key: `j${wide(speaker)}`, thing: { of: 'speaker', speaker }, told: 'value' }),
  speakerPlace: (speaker: number): Facet => ({ key: `k${wide(speaker)}`, thing: { of: 'speaker', speaker }, told: 'order' }),
  item: (item: number): Facet => ({ key: `l${wide(item)}`, thing: { of: 'item', item }, told: 'lasting' }),
  itemValues: (item: number): Facet => ({ key: `m${wide(item)}`, thing: { of: 'item', item }, told: 'value' }),
  itemPlace: (item: number): Facet => ({ key: `n${wide(item)}`, thing: { of: 'item', item }, told: 'order' }),
}

function touches(op: Op): Map<string, Touch> {
  const out = new Map<string, Touch>()
  for (const [facet, access] of listed(op)) {
    const known = out.get(facet.key)
    // What is taken away and put back under its name counts as changed.
    out.set(facet.key, { facet, access: known && known.access !== access ? 'writes' : access })
  }
  return out
}

type Listed = [Facet, Access][]

function listed(op: Op): Listed {
  switch (op.op) {
    case 'set_header': return [[F.header(op.field), 'writes']]
    case 'splice': case 'set_text': case 'set_edited': return [[F.block(op.block), 'reads'], [F.text(op.block), 'writes']]
    case 'split': return [[F.block(op.block), 'reads'], [F.text(op.block), 'writes'], [F.hidden(op.block), 'reads'], [F.block(op.new), 'makes']]
    case 'join':
      return [[F.block(op.block), 'reads'], [F.text(op.block), 'writes'], [F.hidden(op.block), 'reads'], [F.block(op.next), 'ends'], [F.seam(op.next), 'reads']]
    case 'add_heading': {
      const out: Listed = [[F.block(op.id), 'makes']]
      return op.before ? [...out, [F.block(op.before), 'reads'], [F.seam(op.before), 'adds']] : out
    }
    case 'set_level': return [[F.block(op.block), 'reads'], [F.level(op.block), 'writes']]
    case 'remove_heading': return [[F.block(op.block), 'ends']]
    case 'set_speaker': {
      const out = op.blocks.flatMap((block): Listed => [[F.block(block), 'reads'], [F.speaks(block), 'writes']])
      return op.speaker ? [...out, [F.speaker(op.speaker), 'reads']] : out
    }
    case 'put_speaker': return [[F.speaker(op.speaker.id), 'reads'], [F.speakerValues(op.speaker.id), 'writes']]
    case 'merge_speakers': return [[F.speaker(op.from), 'ends'], [F.speaker(op.into), 'reads']]
    case 'remove_speaker': return [[F.speaker(op.speaker), 'ends']]
    case 'move_speaker': {
      const out: Listed = [[F.speaker(op.speaker), 'reads'], [F.speakerPlace(op.speaker), 'writes']]
      return op.before ? [...out, [F.speaker(op.before), 'reads']] : out
    }
    case 'set_mark': return [[F.block(op.block), 'reads'], [F.mark(op.block, op.mark), 'writes']]
    case 'set_hidden': return [[F.block(op.block), 'reads'], [F.hidden(op.block), 'writes']]
    case 'put_item': return [[F.block(op.item.source), 'reads'], [F.item(op.item.id), 'reads'], [F.itemValues(op.item.id), 'writes']]
    case 'remove_item': return [[F.item(op.id), 'ends']]
    case 'move_item': {
      const out: Listed = [[F.item(op.id), 'reads'], [F.itemPlace(op.id), 'writes']]
      return op.before ? [...out, [F.item(op.before), 'reads']] : out
    }
    case 'put_blocks': return ofPutBlocks(op.remove, op.put, op.before ?? null)
  }
}

function ofPutBlocks(remove: number[], put: Block[], before: number | null): Listed {
  const out: Listed = remove.map((block) => [F.block(block), 'ends'])
  for (const block of remove.slice(1)) out.push([F.seam(block), 'reads'])
  for (const block of put) {
    out.push([F.block(block.id), 'makes'])
    if (block.kind === 'utterance' && block.speaker) out.push([F.speaker(block.speaker), 'reads'])
  }
  if (before !== null) out.push([F.block(before), 'reads'], [F.seam(before), 'adds'])
  return out
}
