// What is drawn into the text without being part of it: words the recogniser was unsure of, places that were found, where
// colleagues stand.
import { Plugin, PluginKey, type EditorState, type Transaction } from '@tiptap/pm/state'
import { Decoration, DecorationSet } from '@tiptap/pm/view'
import { unitOf, type Block } from '../../state/minutes'
import { unsure } from '../../state/unsure'
import { eachBlock } from './mirror'

/** A stretch of a block's text, in characters. */
export type Stretch = { block: number; at: number; length: number }
/** Where a colleague stands. */
export type Peer = { id: string; name: string; place: number; block: number; at: number }

type Kind = 'found' | 'peers'
type Signs = { unsure: DecorationSet; found: DecorationSet; peers: DecorationSet }
type Change = { kind: 'blocks'; blocks: Block[]; changed: Set<number> | null } | { kind: 'found'; found: Stretch[]; current: number } | { kind: 'peers'; peers: Peer[] }

const key = new PluginKey<Signs>('signs')

/** Returns a transaction that draws other signs. */
export function withSigns(state: EditorState, change: Change): Transaction {
  return state.tr.setMeta(key, change).setMeta('addToHistory', false)
}

/** Makes the plugin that draws signs. */
export function signs(): Plugin {
  return new Plugin<Signs>({
    key,
    state: {
      init: () => ({ unsure: DecorationSet.empty, found: DecorationSet.empty, peers: DecorationSet.empty }),
      apply(transaction, now) {
        const mapped = transaction.docChanged
          ? { unsure: now.unsure.map(transaction.mapping, transaction.doc), found: now.found.map(transaction.mapping, transaction.doc), peers: now.peers.map(transaction.mapping, transaction.doc) }
          : now
        const change = transaction.getMeta(key) as Change | undefined
        return change ? changed(mapped, transaction, change) : mapped
      },
    },
    props: {
      decorations(state) {
        const now = key.getState(state)
        if (!now) return null
        return merged(state, now)
      },
    },
  })
}

let last: { signs: Signs; doc: unknown; set: DecorationSet } | null = null

/** The editor wants one set; it is made once a state. */
function merged(state: EditorState, now: Signs): DecorationSet {
  if (now.found === DecorationSet.empty && now.peers === DecorationSet.empty) return now.unsure
  if (last?.signs === now && last.doc === state.doc) return last.set
  const set = now.unsure.add(state.doc, [...now.found.find(), ...now.peers.find()])
  last = { signs: now, doc: state.doc, set }
  return set
}

function changed(now: Signs, transaction: Transaction, change: Change): Signs {
  const doc = transaction.doc
  if (change.kind === 'blocks') {
    const { gone, come } = ofBlocks(now.unsure, doc, change.blocks, change.changed)
    return { ...now, unsure: now.unsure.remove(gone).add(doc, come) }
  }
  const offsets = offsetsOf(doc)
  const kind: Kind = change.kind
  const list = change.kind === 'found' ? foundSigns(doc, offsets, change.found, change.current) : peerSigns(doc, offsets, change.peers)
  return { ...now, [kind]: DecorationSet.create(doc, list) }
}

type Doc = Transaction['doc']

function offsetsOf(doc: Doc): Map<number, { at: number; text: string }> {
  const out = new Map<number, { at: number; text: string }>()
  eachBlock(doc, (node, offset) => out.set(node.attrs['id'] as number, { at: offset + 1, text: node.textContent }))
  return out
}

/** Words the recogniser was unsure of: of all blocks at first, then of those that changed. */
function ofBlocks(set: DecorationSet, doc: Doc, blocks: Block[], only: Set<number> | null): { gone: Decoration[]; come: Decoration[] } {
  const [gone, come]: [Decoration[], Decoration[]] = [[], []]
  eachBlock(doc, (node, offset, index) => {
    const block = blocks[index]
    if (!block || block.kind !== 'utterance' || (only && !only.has(block.id))) return
    if (only) gone.push(...set.find(offset, offset + node.nodeSize))
    for (const [from, to] of unsure(block)) come.push(Decoration.inline(offset + 1 + from, offset + 1 + to, { class: 'unsure' }))
  })
  return { gone, come }
}

function foundSigns(doc: Doc, offsets: ReturnType<typeof offsetsOf>, found: Stretch[], current: number): Decoration[] {
  return found.flatMap(({ block, at, length }, index) => {
    const place = offsets.get(block)
    const from = place ? unitOf(place.text, at) : null
    const to = place ? unitOf(place.text, at + length) : null
    if (!place || from === null || to === null) return []
    return [Decoration.inline(place.at + from, place.at + to, { class: index === current ? 'found current' : 'found' })]
  })
}

function peerSigns(doc: Doc, offsets: ReturnType<typeof offsetsOf>, peers: Peer[]): Decoration[] {
  return peers.flatMap((peer) => {
    const place = offsets.get(peer.block)
    if (!place) return []
    const from = unitOf(place.text, peer.at) ?? place.text.length
    const draw = () => {
      const caret = document.createElement('span')
      caret.className = 'peer'
      caret.style.setProperty('--who', `var(--speaker-${(peer.place % 9) + 1})`)
      // Drawn by the style: a name is no part of the text.
      caret.dataset['name'] = peer.name
      return caret
    }
    return [Decoration.widget(place.at + from, draw, { key: `${peer.id} ${peer.name}`, side: 1, ignoreSelection: true })]
  })
}
