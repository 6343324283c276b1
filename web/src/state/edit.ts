// A list of operations carried out on minutes: all of them, or none. The twin of src/minutes/edit; both run
// tests/fixtures/edit_cases.json. Pure.
import { within } from './bounds'
import { chars, MARKS, startOf, unitOf, type Block, type Heading, type Item, type Mark, type Minutes, type Op, type Speaker, type Utterance } from './minutes'
import { joined, split } from './splicing'

/** Why one operation cannot be carried out, with the words of the server. */
export type Refusal = { code: string } & Record<string, unknown>

/** An operation that could not be carried out; nothing of its list was. */
export class EditRefused extends Error {
  constructor(readonly op: number, readonly refusal: Refusal) {
    super(`operation ${op}: ${refusal.code}`)
  }
}

class Refuse extends Error {
  constructor(readonly refusal: Refusal) { super(refusal.code) }
}

/** Refuses the operation that is being carried out. */
export function refuse(code: string, facts: Record<string, unknown> = {}): never {
  throw new Refuse({ code, ...facts })
}

const bad = (what: string, value: unknown): never => refuse('bad_value', { what, value: String(value) })

/** Most operations a person may send at once. */
const OPS_MAX = 10_000

/** What a list of operations led to: the next state, and what leads back. */
export type Applied = { minutes: Minutes; undo: Op[] }

/** Carries out what a person did. Throws `EditRefused`. */
export function apply(minutes: Minutes, ops: Op[]): Applied {
  if (ops.length > OPS_MAX) throw new EditRefused(OPS_MAX, { code: 'too_many', what: 'operations', count: ops.length, count_max: OPS_MAX })
  const desk = new Desk(minutes)
  const undo: Op[] = []
  for (const [index, op] of ops.entries()) {
    try {
      undo.push(...desk.perform(op).reverse())
    } catch (error) {
      if (error instanceof Refuse) throw new EditRefused(index, error.refusal)
      throw error
    }
  }
  return { minutes: desk.done(), undo: undo.reverse() }
}

/** Minutes that are being worked on; lists are copied once, things when they change. */
class Desk {
  private readonly header
  private readonly speakers: Speaker[]
  private blocks: Block[]
  private readonly items: Item[]
  /** Where the last block was found: the next one mostly stands close behind it. */
  private near = 0

  constructor(private readonly before: Minutes) {
    this.header = { ...before.header }
    this.speakers = [...before.speakers]
    this.blocks = [...before.blocks]
    this.items = [...before.items]
  }

  done(): Minutes {
    return { version: this.before.version, header: this.header, speakers: this.speakers, blocks: this.blocks, items: this.items }
  }

  perform(op: Op): Op[] {
    switch (op.op) {
      case 'set_header': return this.setHeader(op.field, op.value)
      case 'splice': return this.splice(op.block, op.at, op.remove, op.insert)
      case 'set_text': return this.writeText(op.block, op.text, { op: 'set_text', block: op.block, text: this.text(op.block) })
      case 'split': return this.split(op.block, op.at, op.new)
      case 'join': return this.join(op.block, op.next)
      case 'add_heading': return this.addHeading(op.id, op.level, op.text, op.before ?? null)
      case 'set_level': return this.setLevel(op.block, op.level)
      case 'remove_heading':
        if (this.block(op.block).kind !== 'heading') refuse('wrong_kind', { block: op.block })
        return this.putBlocks([op.block], [], null)
      case 'set_speaker': return this.setSpeaker(op.blocks, op.speaker ?? null)
      case 'put_speaker': return this.putSpeaker(op.speaker)
      case 'merge_speakers': return this.mergeSpeakers(op.from, op.into)
      case 'remove_speaker': return this.removeSpeaker(op.speaker)
      case 'move_speaker': return this.moveSpeaker(op.speaker, op.before ?? null)
      case 'set_mark': return this.setMark(op.block, op.mark, op.on)
      case 'set_hidden': return this.setHidden(op.block, op.reason ?? null)
      case 'set_edited': return this.setEdited(op.block, op.on)
      case 'put_item': return this.putItem(op.item)
      case 'remove_item': return this.removeItem(op.id)
      case 'move_item': return this.moveItem(op.id, op.before ?? null)
      case 'put_blocks': return this.putBlocks(op.remove, op.put, op.before ?? null)
    }
  }

  private position(block: number): number {
    const length = this.blocks.length
    for (let step = 0; step < length; step++) {
      const index = (Math.min(this.near, length - 1) + step) % length
      if (this.blocks[index]?.id === block) return (this.near = index)
    }
    return refuse('unknown_block', { block })
  }

  private block(id: number): Block {
    return this.blocks[this.position(id)] ?? refuse('unknown_block', { block: id })
  }

  private utterance(id: number): Utterance {
    const block = this.block(id)
    return block.kind === 'utterance' ? block : refuse('wrong_kind', { block: id })
  }

  private put(block: Block): void {
    this.blocks[this.position(block.id)] = block
  }

  private place(before: number | null): number {
    return before === null ? this.blocks.length : this.position(before)
  }

  private text(id: number): string {
    const block = this.block(id)
    return block.kind === 'gap' ? refuse('wrong_kind', { block: id }) : block.text
  }

  private freeName(id: number): void {
    within.id('block', id)
    if (this.blocks.some((block) => block.id === id)) refuse('name_taken', { id })
  }

  private knownSpeaker(speaker: number): void {
    if (!this.speakers.some((known) => known.id === speaker)) refuse('unknown_speaker', { speaker })
  }

  private setHeader(field: string, value: string): Op[] {
    within.header(field, value)
    const before = this.header[field] ?? ''
    if (value === '') delete this.header[field]
    else this.header[field] = value
    return before === value ? [] : [{ op: 'set_header', field, value: before }]
  }

  private splice(block: number, at: number, remove: string, insert: string): Op[] {
    const text = this.text(block)
    const from = unitOf(text, at)
    if (from === null) return refuse('outside_text', { block, at, chars: chars(text) })
    if (!text.startsWith(remove, from)) refuse('text_differs', { block, found: text })
    const spliced = text.slice(0, from) + insert + text.slice(from + remove.length)
    return this.writeText(block, spliced, { op: 'splice', block, at, remove: insert, insert: remove })
  }

  /** Writes a text; `back` undoes it but for the note that a person changed it. */
  private writeText(id: number, text: string, back: Op): Op[] {
    within.text('text', text)
    const block = this.block(id)
    if (block.kind === 'gap') return refuse('wrong_kind', { block: id })
    if (block.text === text) return []
    if (block.kind === 'heading') {
      this.put({ ...block, text })
      return [back]
    }
    this.put({ ...block, text, edited: true })
    return block.edited ? [back] : [back, { op: 'set_edited', block: id, on: false }]
  }

  private split(block: number, at: number, fresh: number): Op[] {
    this.freeName(fresh)
    within.count('blocks', this.blocks.length + 1)
    const whole = this.utterance(block)
    const halves = split(whole, at, fresh) ?? refuse('outside_text', { block, at, chars: chars(whole.text) })
    this.blocks.splice(this.position(block), 1, ...halves)
    return [{ op: 'put_blocks', remove: [block, fresh], put: [whole] }]
  }

  private join(block: number, next: number): Op[] {
    const [first, second] = [this.utterance(block), this.utterance(next)]
    const [from, to] = [this.position(block), this.position(next)]
    const onlyHidden = this.blocks.slice(from + 1, to).every((one) => one.kind === 'utterance' && one.hidden)
    if (from >= to || !onlyHidden) refuse('not_neighbours', { block, next })
    if (Boolean(first.hidden) !== Boolean(second.hidden)) refuse('hidden_differs', { block, next })
    const whole = joined(first, second)
    within.block(whole)
    const put = this.blocks.slice(from, to + 1)
    this.blocks[from] = whole
    this.blocks.splice(to, 1)
    const back: Op[] = [{ op: 'put_blocks', remove: this.blocks.slice(from, to).map((one) => one.id), put }]
    for (const [index, item] of this.items.entries()) {
      if (item.source !== next) continue
      back.push({ op: 'put_item', item })
      this.items[index] = { ...item, source: block }
    }
    return back
  }

  private addHeading(id: number, level: number, text: string, before: number | null): Op[] {
    this.freeName(id)
    within.count('blocks', this.blocks.length + 1)
    const index = this.place(before)
    const next = this.blocks[index]
    const at = next ? startOf(next) : null
    const heading: Heading = { kind: 'heading', id, level, text, ...(at === null ? {} : { at_ms: at }) }
    within.block(heading)
    this.blocks.splice(index, 0, heading)
    return [{ op: 'remove_heading', block: id }]
  }

  private setLevel(id: number, level: number): Op[] {
    within.level(level)
    const block = this.block(id)
    if (block.kind !== 'heading') return refuse('wrong_kind', { block: id })
    if (block.level === level) return []
    this.put({ ...block, level })
    return [{ op: 'set_level', block: id, level: block.level }]
  }

  private putBlocks(remove: number[], put: Block[], before: number | null): Op[] {
    const from = this.passage(remove, before)
    within.count('blocks', this.blocks.length + Math.max(0, put.length - remove.length))
    this.checkPut(from, from + remove.length, put)
    for (const item of this.items) {
      if (remove.includes(item.source) && !put.some((kept) => kept.id === item.source)) {
        refuse('block_in_use', { block: item.source, item: item.id })
      }
    }
    const gone = this.blocks.splice(from, remove.length, ...put)
    if (gone.length === 0 && put.length === 0) return []
    const next = put.length === 0 ? this.blocks[from]?.id : undefined
    return [{ op: 'put_blocks', remove: put.map((one) => one.id), put: gone, ...(next === undefined ? {} : { before: next }) }]
  }

  private passage(remove: number[], before: number | null): number {
    const first = remove[0]
    if (first === undefined) return this.place(before)
    if (before !== null) return bad('before', before)
    const from = this.position(first)
    for (const [offset, block] of remove.entries()) {
      if (offset === 0) continue
      this.position(block)
      if (this.blocks[from + offset]?.id !== block) refuse('not_neighbours', { block: remove[offset - 1], next: block })
    }
    return from
  }

  private checkPut(from: number, to: number, put: Block[]): void {
    const coming = put.map((block) => block.id).sort((a, b) => a - b)
    const twice = coming.find((id, index) => coming[index - 1] === id)
    if (twice !== undefined) refuse('name_taken', { id: twice })
    const names = new Set(coming)
    const taken = this.blocks.find((block, index) => (index < from || index >= to) && names.has(block.id))
    if (taken) refuse('name_taken', { id: taken.id })
    for (const block of put) {
      within.block(block)
      if (block.kind === 'utterance' && block.speaker) this.knownSpeaker(block.speaker)
    }
  }

  private setSpeaker(blocks: number[], speaker: number | null): Op[] {
    within.count('blocks', blocks.length)
    if (speaker !== null) this.knownSpeaker(speaker)
    const back = new Map<number | null, number[]>()
    for (const id of blocks) {
      const said = this.utterance(id)
      const before = said.speaker ?? null
      if (before === speaker) continue
      this.put({ ...said, speaker })
      back.set(before, [...(back.get(before) ?? []), id])
    }
    return [...back].map(([before, ids]) => ({ op: 'set_speaker', blocks: ids, ...(before === null ? {} : { speaker: before }) }))
  }

  private putSpeaker(speaker: Speaker): Op[] {
    within.speaker(speaker)
    const index = this.speakers.findIndex((known) => known.id === speaker.id)
    const known = this.speakers[index]
    if (known) {
      if (sameSpeaker(known, speaker)) return []
      this.speakers[index] = speaker
      return [{ op: 'put_speaker', speaker: known }]
    }
    within.count('speakers', this.speakers.length + 1)
    this.speakers.push(speaker)
    return [{ op: 'remove_speaker', speaker: speaker.id }]
  }

  private mergeSpeakers(from: number, into: number): Op[] {
    this.knownSpeaker(from)
    this.knownSpeaker(into)
    if (from === into) bad('into', into)
    const said = this.blocks.filter((block) => block.kind === 'utterance' && block.speaker === from)
    const givenBack = this.setSpeaker(said.map((block) => block.id), into)
    return [...this.removeSpeaker(from), ...givenBack]
  }

  private removeSpeaker(speaker: number): Op[] {
    const index = this.speakers.findIndex((known) => known.id === speaker)
    const gone = this.speakers[index] ?? refuse('unknown_speaker', { speaker })
    const user = this.blocks.find((block) => block.kind === 'utterance' && block.speaker === speaker)
    if (user) refuse('speaker_in_use', { speaker, block: user.id })
    this.speakers.splice(index, 1)
    const next = this.speakers[index]?.id
    const back: Op[] = [{ op: 'put_speaker', speaker: gone }]
    return next === undefined ? back : [...back, { op: 'move_speaker', speaker, before: next }]
  }

  private moveSpeaker(speaker: number, before: number | null): Op[] {
    const back = move(this.speakers, speaker, before, (id) => refuse('unknown_speaker', { speaker: id }))
    return back === null ? [] : [{ op: 'move_speaker', speaker, ...back }]
  }

  private setMark(block: number, mark: Mark, on: boolean): Op[] {
    const said = this.utterance(block)
    const marks = said.marks ?? []
    if (marks.includes(mark) === on) return []
    const next = on ? [...marks, mark] : marks.filter((known) => known !== mark)
    this.put({ ...said, marks: MARKS.filter((known) => next.includes(known)) })
    return [{ op: 'set_mark', block, mark, on: !on }]
  }

  private setHidden(block: number, reason: string | null): Op[] {
    if (reason !== null) within.stableWord('reason', reason)
    const said = this.utterance(block)
    const before = said.hidden ?? null
    if (before === reason) return []
    this.put({ ...said, hidden: reason })
    return [{ op: 'set_hidden', block, ...(before === null ? {} : { reason: before }) }]
  }

  private setEdited(block: number, on: boolean): Op[] {
    const said = this.utterance(block)
    if (Boolean(said.edited) === on) return []
    this.put({ ...said, edited: on })
    return [{ op: 'set_edited', block, on: !on }]
  }

  private putItem(item: Item): Op[] {
    within.item(item)
    this.position(item.source)
    const index = this.items.findIndex((known) => known.id === item.id)
    const known = this.items[index]
    if (known) {
      if (sameItem(known, item)) return []
      this.items[index] = item
      return [{ op: 'put_item', item: known }]
    }
    within.count('items', this.items.length + 1)
    this.items.push(item)
    return [{ op: 'remove_item', id: item.id }]
  }

  private removeItem(id: number): Op[] {
    const index = this.items.findIndex((known) => known.id === id)
    const item = this.items[index] ?? refuse('unknown_item', { item: id })
    this.items.splice(index, 1)
    const next = this.items[index]?.id
    return next === undefined ? [{ op: 'put_item', item }] : [{ op: 'put_item', item }, { op: 'move_item', id, before: next }]
  }

  private moveItem(id: number, before: number | null): Op[] {
    const back = move(this.items, id, before, (item) => refuse('unknown_item', { item }))
    return back === null ? [] : [{ op: 'move_item', id, ...back }]
  }
}

/** Moves a thing of a list before another, or to the end; says before whom it stood, or null if nothing changed. */
function move<T extends { id: number }>(list: T[], id: number, before: number | null, unknown: (id: number) => never): { before?: number } | null {
  const at = (wanted: number) => {
    const index = list.findIndex((one) => one.id === wanted)
    return index < 0 ? unknown(wanted) : index
  }
  const from = at(id)
  if (before === id) bad('before', id)
  let to = before === null ? list.length : at(before)
  if (to > from) to -= 1
  const next = list[from + 1]?.id
  list.splice(to, 0, ...list.splice(from, 1))
  return from === to ? null : next === undefined ? {} : { before: next }
}

const sameSpeaker = (a: Speaker, b: Speaker) =>
  a.name === b.name && (a.role ?? '') === (b.role ?? '') && (a.public_name ?? '') === (b.public_name ?? '')

const sameItem = (a: Item, b: Item) =>
  a.kind === b.kind && a.text === b.text && a.source === b.source && (a.assignee ?? '') === (b.assignee ?? '') &&
  (a.due ?? '') === (b.due ?? '') && Boolean(a.done) === Boolean(b.done)
