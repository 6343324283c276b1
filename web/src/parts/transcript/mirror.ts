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

/** Makes the whole document. */
export function documentOf(schema: Schema, blocks: Block[]): Fragment {
  return Fragment.fromArray(blocks.map((block) => nodeOf(schema, block)))
}

/** Returns the operations that lead from the model to what stands in the editor. */
export function collected(doc: ProseNode, shown: Block[], known: ProseNode[]): Op[] {
  const ops: Op[] = []
  for (const [index, block] of shown.entries()) {
    const node = doc.maybeChild(index)
    if (!node || node === known[index] || block.kind === 'gap') continue
    const op = spliceBetween(block.id, block.text, node.textContent)
    if (op) ops.push(op)
  }
  return ops
}

/** Returns the children of a document. */
export function children(doc: ProseNode): ProseNode[] {
  const out: ProseNode[] = []
  doc.forEach((child) => out.push(child))
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

function offsetOf(doc: ProseNode, index: number): number {
  let offset = 0
  for (let at = 0; at < index; at++) offset += doc.child(at).nodeSize
  return offset
}

/** Changes texts in place, each by its least difference. */
function retexted(transaction: Transaction, state: EditorState, from: number, blocks: Block[]): Transaction | null {
  let offset = offsetOf(state.doc, from)
  let changed = false
  for (const [index, block] of blocks.entries()) {
    const node = state.doc.child(from + index)
    const [before, after] = [node.textContent, textOf(block)]
    if (before !== after) {
      const [start, end, text] = leastDifference(before, after)
      const at = transaction.mapping.map(offset + 1)
      if (text) transaction.replaceWith(at + start, at + end, state.schema.text(text))
      else transaction.delete(at + start, at + end)
      changed = true
    }
    offset += node.nodeSize
  }
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

/** Puts blocks in the place of blocks; nodes that stay the same stay themselves, and so do their rows. */
function rebuilt(transaction: Transaction, state: EditorState, from: number, to: number, blocks: Block[]): Transaction {
  const old = new Map<number, ProseNode>()
  for (let index = from; index < to; index++) {
    const node = state.doc.child(index)
    old.set(node.attrs['id'] as number, node)
  }
  const fresh = blocks.map((block) => {
    const node = old.get(block.id)
    return node && node.type.name === block.kind && node.textContent === textOf(block) ? node : nodeOf(state.schema, block)
  })
  const start = offsetOf(state.doc, from)
  let end = start
  for (let index = from; index < to; index++) end += state.doc.child(index).nodeSize
  return transaction.replaceWith(start, end, fresh)
}
