// Draws each block: when, who and what it is marked with stand beside the text, outside of what the editor edits.
// Plain DOM: a meeting of four hours has four thousand rows.
import type { NodeViewRenderer } from '@tiptap/core'
import { clock } from '../../lib/time'
import type { Block, Mark, Speaker } from '../../state/minutes'

/** The words that rows show; they come from the texts. */
export type Words = {
  playFrom: (time: string) => string
  speakerOf: (name: string) => string
  unknownSpeaker: string
  marks: Record<Mark, string>
  gap: (from: string, to: string) => string
  hidden: (reason: string) => string
  show: string
  heading: string
}

/** What rows tell their owner. */
export type RowEvents = {
  play: (ms: number) => void
  speaker: (block: number, anchor: HTMLElement) => void
  show: (block: number) => void
}

const SIGNS: Record<Mark, string> = { decision: '●', issue: '◆', todo: '☐', important: '★', check: '？', inaudible: '…' }

class Row {
  readonly dom: HTMLElement
  readonly contentDOM: HTMLElement | null
  private block: Block | null = null
  private name = ''
  private readonly side = document.createElement('div')
  private readonly time = document.createElement('button')
  private readonly who = document.createElement('button')
  private extra: HTMLElement | null = null

  constructor(readonly id: number, kind: string, private readonly owner: Rows) {
    this.dom = document.createElement('div')
    this.dom.className = `block ${kind}`
    this.dom.dataset['block'] = String(id)
    this.side.className = 'side'
    this.side.contentEditable = 'false'
    this.time.className = 'time'
    this.who.className = 'who'
    for (const button of [this.who, this.time]) {
      button.type = 'button'
      // Thousands of stops would make Tab useless: every one of these acts by a key, too.
      button.tabIndex = -1
      this.side.append(button)
    }
    if (kind === 'utterance') {
      this.dom.append(this.side)
      this.time.onclick = () => { if (this.block?.kind === 'utterance') this.owner.events.play(this.block.start_ms) }
      this.who.onclick = () => this.owner.events.speaker(this.id, this.who)
    }
    this.contentDOM = kind === 'gap' ? null : document.createElement('div')
    if (this.contentDOM) {
      this.contentDOM.className = 'text'
      this.dom.append(this.contentDOM)
    }
    const block = owner.blockOf(id)
    if (block) this.draw(block)
  }

  draw(block: Block): void {
    const name = block.kind === 'utterance' ? `${this.owner.nameOf(block.speaker ?? null)}\u0000${this.owner.roleOf(block.speaker ?? null)}` : ''
    if (block === this.block && name === this.name) return
    this.block = block
    this.name = name
    const words = this.owner.words
    if (block.kind === 'heading') {
      this.dom.dataset['level'] = String(block.level)
      return
    }
    if (block.kind === 'gap') return this.drawExtra(words.gap(clock(block.start_ms), clock(block.end_ms)), false)
    const at = clock(block.start_ms)
    this.time.textContent = at
    this.time.setAttribute('aria-label', words.playFrom(at))
    const place = this.owner.placeOf(block.speaker ?? null)
    const [who, role] = name.split('\u0000') as [string, string]
    this.who.textContent = who || words.unknownSpeaker
    this.who.title = role ? `${who} / ${role}` : who
    this.who.setAttribute('aria-label', words.speakerOf(who || words.unknownSpeaker))
    this.who.dataset['place'] = String(place)
    this.who.style.setProperty('--who', place > 0 ? `var(--speaker-${((place - 1) % 9) + 1})` : 'var(--quiet)')
    this.dom.classList.toggle('hidden', Boolean(block.hidden))
    this.dom.classList.toggle('edited', Boolean(block.edited))
    if (block.hidden) return this.drawExtra(words.hidden(block.hidden), true)
    const marks = block.marks ?? []
    if (marks.length > 0) this.drawExtra(marks.map((mark) => `${SIGNS[mark]} ${words.marks[mark]}`).join('  '), false)
    else {
      this.extra?.remove()
      this.extra = null
    }
  }

  private drawExtra(text: string, canShow: boolean): void {
    if (!this.extra) {
      this.extra = document.createElement('div')
      this.extra.className = 'extra'
      this.extra.contentEditable = 'false'
      this.dom.append(this.extra)
    }
    this.extra.textContent = text
    if (!canShow) return
    const button = document.createElement('button')
    button.type = 'button'
    button.className = 'button'
    button.textContent = this.owner.words.show
    button.onclick = () => this.owner.events.show(this.id)
    this.extra.append(' ', button)
  }
}

/** Every row of a document, by the name of its block. */
export class Rows {
  private readonly all = new Map<number, Row>()
  private readonly blocks = new Map<number, Block>()
  private speakers = new Map<number, { name: string; role: string; place: number }>()
  private lit: HTMLElement | null = null

  constructor(public words: Words, readonly events: RowEvents) {}

  blockOf(id: number): Block | undefined {
    return this.blocks.get(id)
  }

  nameOf(speaker: number | null): string {
    return (speaker !== null && this.speakers.get(speaker)?.name) || ''
  }

  roleOf(speaker: number | null): string {
    return (speaker !== null && this.speakers.get(speaker)?.role) || ''
  }

  placeOf(speaker: number | null): number {
    return (speaker !== null && this.speakers.get(speaker)?.place) || 0
  }

  /** Says how these blocks are from now on, before the editor makes their rows. */
  know(blocks: Iterable<Block>): void {
    for (const block of blocks) this.blocks.set(block.id, block)
  }

  /** Says who the speakers are; true if a row may look different now. */
  knowSpeakers(speakers: Speaker[]): boolean {
    const next = new Map(speakers.map((one, index) => [one.id, { name: one.name, role: one.role ?? '', place: index + 1 }]))
    const differs = next.size !== this.speakers.size || [...next].some(([id, one]) => {
      const known = this.speakers.get(id)
      return !known || known.name !== one.name || known.place !== one.place || known.role !== one.role
    })
    this.speakers = next
    return differs
  }

  /** Draws rows anew: those of these blocks, or all. */
  draw(blocks: Iterable<Block>): void {
    for (const block of blocks) this.all.get(block.id)?.draw(block)
  }

  element(id: number): HTMLElement | null {
    return this.all.get(id)?.dom ?? null
  }

  /** Lights the row that is heard now, and no other. */
  light(id: number | null): HTMLElement | null {
    const dom = id === null ? null : this.element(id)
    if (dom !== this.lit) {
      this.lit?.classList.remove('heard')
      dom?.classList.add('heard')
      this.lit = dom
    }
    return dom
  }

  /** Returns what makes rows for the editor. */
  renderer(kind: string): NodeViewRenderer {
    return ({ node }) => {
      const id = node.attrs['id'] as number
      const row = new Row(id, kind, this)
      this.all.set(id, row)
      const { contentDOM } = row
      return {
        dom: row.dom,
        contentDOM,
        update: (next) => next.type.name === kind && next.attrs['id'] === id,
        // What is drawn beside the text is none of the editor's business.
        ignoreMutation: (mutation) => mutation.type !== 'selection' && !contentDOM?.contains(mutation.target),
        stopEvent: (event) => event.target instanceof Element && event.target.closest('.side, .extra') !== null,
        destroy: () => { if (this.all.get(id) === row) this.all.delete(id) },
      }
    }
  }
}
