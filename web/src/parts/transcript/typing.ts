// What keys, pasting and dropping may do: they change texts, never which blocks there are. Splitting and joining are
// operations of their own, made by the page.
import type { Node as ProseNode } from '@tiptap/pm/model'
import { Plugin, TextSelection, type EditorState, type Transaction } from '@tiptap/pm/state'
import type { EditorView } from '@tiptap/pm/view'
import { MIRRORED } from './mirror'

export type TypingEvents = {
  /** Backspace at the beginning of a block. */
  backAtStart: () => void
  composing: (on: boolean) => void
}

/** Tells whether two documents have the same blocks. */
function sameBlocks(transaction: Transaction): boolean {
  return same(transaction.before, transaction.doc)
}

function same(before: ProseNode, after: ProseNode): boolean {
  if (before === after) return true
  if (before.type !== after.type || before.attrs['id'] !== after.attrs['id']) return false
  if (before.isTextblock || before.isAtom) return true
  if (before.childCount !== after.childCount) return false
  for (let index = 0; index < before.childCount; index++) if (!same(before.child(index), after.child(index))) return false
  return true
}

const isAcross = (state: EditorState) => !state.selection.$from.sameParent(state.selection.$to)

/** Empties what is selected, block by block, and writes a text where the selection began. */
function cleared(state: EditorState, text = ''): Transaction {
  const { from, to } = state.selection
  const ranges: [number, number][] = []
  state.doc.nodesBetween(from, to, (node, at) => {
    if (!node.isTextblock) return true
    ranges.push([Math.max(from, at + 1), Math.min(to, at + 1 + node.content.size)])
    return false
  })
  const transaction = state.tr
  for (const [start, end] of ranges.reverse()) if (end > start) transaction.delete(start, end)
  transaction.setSelection(TextSelection.near(transaction.doc.resolve(Math.min(from, transaction.doc.content.size))))
  if (text) transaction.insertText(text)
  return transaction.scrollIntoView()
}

function write(view: EditorView, text: string): boolean {
  view.dispatch(isAcross(view.state) ? cleared(view.state, text) : view.state.tr.insertText(text).scrollIntoView())
  return true
}

function pressed(view: EditorView, event: KeyboardEvent, events: TypingEvents): boolean {
  if (event.isComposing || event.keyCode === 229) return false
  const { selection } = view.state
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey
  if (event.key === 'Enter' && plain) return write(view, '\n')
  if (event.key !== 'Backspace' && event.key !== 'Delete') return false
  if (isAcross(view.state)) {
    view.dispatch(cleared(view.state))
    return true
  }
  if (!selection.empty) return false
  const atStart = selection.$from.parentOffset === 0
  const atEnd = selection.$from.parentOffset === selection.$from.parent.content.size
  if (event.key === 'Backspace' && atStart) {
    if (plain) events.backAtStart()
    return true
  }
  return event.key === 'Delete' && atEnd
}

/** Makes the plugin that guards the blocks. */
export function typing(events: TypingEvents): Plugin {
  return new Plugin({
    filterTransaction: (transaction) => !transaction.docChanged || transaction.getMeta(MIRRORED) === true || sameBlocks(transaction),
    props: {
      handleKeyDown: (view, event) => pressed(view, event, events),
      handleTextInput: (view, _from, _to, text) => isAcross(view.state) && write(view, text),
      handlePaste: (view, event) => write(view, (event.clipboardData?.getData('text/plain') ?? '').replace(/\r\n?/g, '\n')),
      handleDrop: () => true,
      clipboardTextSerializer: (slice) => {
        const texts: string[] = []
        slice.content.descendants((node) => { if (node.isTextblock) texts.push(node.textContent); return !node.isTextblock })
        return texts.length > 0 ? texts.join('\n') : slice.content.textBetween(0, slice.content.size, '\n')
      },
      handleDOMEvents: {
        compositionstart: (view) => {
          // The input method needs one place to write to.
          if (isAcross(view.state)) view.dispatch(cleared(view.state))
          events.composing(true)
          return false
        },
        compositionend: () => {
          setTimeout(() => events.composing(false), 0)
          return false
        },
        cut: (view, event) => {
          if (!isAcross(view.state)) return false
          const text = view.state.doc.textBetween(view.state.selection.from, view.state.selection.to, '\n')
          event.clipboardData?.setData('text/plain', text)
          view.dispatch(cleared(view.state))
          event.preventDefault()
          return true
        },
      },
    },
  })
}
