// Keeps the editor and the model the same: what others did goes into the view with the least change, so that the caret
// stays; what the person typed comes out of it as operations.
import { Fragment, type Node as ProseNode, type Schema } from '@tiptap/pm/model'
import type { EditorState, Transaction } from '@tiptap/pm/state'
import { spliceBetween, textOf, type Block, type Op } from '../../state/minutes'

/** Marks transactions that come from the model. */
export const MIRRORED = 'mirrored'

/** Makes the node of a block. */
export function nodeOf(schema: Schema, block: Block): ProseNode {
  const type = schema.nodes[block.kind]
  if (!type) throw new Error(`no node for ${block.kind}`)
  const text = textOf(block)
  return type.create({ id: block.id }, text === '' ? null : schema.text(text))
}

/** Blocks of a sheet when it is made; edits may make it twice as long, or shorter. */
const SHEET_BLOCKS = 40

/** Makes the whole document. */
export function documentOf(schema: Schema, blocks: Block[]): Fragment {
  return sheetsOf(schema, blocks.map((block) => nodeOf(schema, block)))
}

function sheetsOf(schema: Schema, nodes: ProseNode[]): Fragment {
  const type = schema.nodes['sheet']
  if (!type) throw new Error('no node for a sheet')
  const sheets: ProseNode[] = []
  for (let at = 0; at < nodes.length; at += SHEET_BLOCKS) sheets.push(type.create(null, nodes.slice(at, at + SHEET_BLOCKS)))
  return Fragment.fromArray(sheets)
}

/** Visits every block of a document with the place before it. */
export function eachBlock(doc: ProseNode, visit: (node: ProseNode, offset: number, index: number) => void): void {
  let index = 0
  doc.forEach((sheet, start) => sheet.forEach((node, offset) => visit(node, start + 1 + offset, index++)))
}

/** Returns the operations that lead from the model to what stands in the editor. */
export function collected(doc: ProseNode, shown: Block[], known: ProseNode[]): Op[] {
  const ops: Op[] = []
  eachBlock(doc, (node, _offset, index) => {
    const block = shown[index]
    if (!block || node === known[index] || block.kind === 'gap') return
    const op = spliceBetween(block.id, block.text, node.textContent)
    if (op) ops.push(op)
  })
  return ops
}

/** Returns the blocks of a document. */
export function children(doc: ProseNode): ProseNode[] {
  const out: ProseNode[] = []
  eachBlock(doc, (node) => out.push(node))
  return out
}

/** Returns the transaction that makes the editor show other blocks; null if it shows them already. */
export function reflected(state: EditorState, shown: Block[], wanted: Block[]): Transaction | null {
  let head = 0
  const least = Math.min(shown.length, wanted.length)
  while (head < least && shown[head] === wanted[head]) head++
  let tail = 0
  while (tail < least - head && shown[shown.length - 1 - tail] === wanted[wanted.length - 1 - tail]) tail++
  const [from, to] = [head, shown.length - tail]
  const middle = wanted.slice(head, wanted.length - tail)
  if (from === to && middle.length === 0) return null
  const transaction = state.tr.setMeta(MIRRORED, true).setMeta('addToHistory', false)
  const sameNames = to - from === middle.length && middle.every((block, index) => shown[from + index]?.id === block.id && shown[from + index]?.kind === block.kind)
  if (sameNames) return retexted(transaction, state, from, middle)
  return rebuilt(transaction, state, from, to, middle)
}

/** Changes texts in place, each by its least difference. */
function retexted(transaction: Transaction, state: EditorState, from: number, blocks: Block[]): Transaction | null {
  let changed = false
  eachBlock(state.doc, (node, offset, index) => {
    const block = blocks[index - from]
    if (!block) return
    const [before, after] = [node.textContent, textOf(block)]
    if (before === after) return
    const [start, end, text] = leastDifference(before, after)
    const at = transaction.mapping.map(offset + 1)
    if (text) transaction.replaceWith(at + start, at + end, state.schema.text(text))
    else transaction.delete(at + start, at + end)
    changed = true
  })
  return changed ? transaction : null
}

function leastDifference(before: string, after: string): [number, number, string] {
  const least = Math.min(before.length, after.length)
  let head = 0
  while (head < least && before.charCodeAt(head) === after.charCodeAt(head)) head++
  let tail = 0
  while (tail < least - head && before.charCodeAt(before.length - 1 - tail) === after.charCodeAt(after.length - 1 - tail)) tail++
  return [head, before.length - tail, after.slice(head, after.length - tail)]
}

/** Puts blocks in the place of blocks: the sheets they are on are written anew with the nodes that stay. */
function rebuilt(transaction: Transaction, state: EditorState, from: number, to: number, blocks: Block[]): Transaction {
  const { doc, schema } = state
  let [start, end, offset, index] = [0, 0, 0, 0]
  let found = false
  const [head, tail]: [ProseNode[], ProseNode[]] = [[], []]
  const old = new Map<number, ProseNode>()
  doc.forEach((sheet) => {
    const last = index + sheet.childCount
    // What is put between two sheets goes to the end of the first one.
    const touches = found ? index < to : last >= from
    if (touches) {
      if (!found) [start, found] = [offset, true]
      end = offset + sheet.nodeSize
      sheet.forEach((node, _at, child) => {
        const at = index + child
        if (at < from) head.push(node)
        else if (at >= to) tail.push(node)
        else old.set(node.attrs['id'] as number, node)
      })
    }
    index = last
    offset += sheet.nodeSize
  })
  const fresh = blocks.map((block) => {
    const node = old.get(block.id)
    return node && node.type.name === block.kind && node.textContent === textOf(block) ? node : nodeOf(schema, block)
  })
  const all = [...head, ...fresh, ...tail]
  const sheet = schema.nodes['sheet']
  if (!sheet) throw new Error('no node for a sheet')
  // One sheet stays one, so that its rows stay where they are; a long one is cut.
  const content = all.length === 0 ? Fragment.empty : all.length <= 2 * SHEET_BLOCKS ? Fragment.from(sheet.create(null, all)) : sheetsOf(schema, all)
  return transaction.replaceWith(start, end, content)
}
