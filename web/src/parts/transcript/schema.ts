// What the editor's document is made of: one node a block, with nothing but its name and its text. Who speaks, when and
// what is marked stands in the model and is drawn beside the text by rows.ts. Blocks stand in sheets of some dozens: what a
// browser and the editor do for a key or a frame then costs a sheet, not the meeting.
import { Node } from '@tiptap/core'

const Doc = Node.create({ name: 'doc', topNode: true, content: 'sheet*' })
const Sheet = Node.create({ name: 'sheet', content: 'block*', marks: '', defining: true, isolating: true, selectable: false, parseHTML: () => [], renderHTML: () => ['div', { class: 'sheet' }, 0] })
const Text = Node.create({ name: 'text', group: 'inline' })

const block = (name: string, content: string) => Node.create({
  name, group: 'block', content, marks: '', defining: true, isolating: true, selectable: false, draggable: false,
  atom: content === '', whitespace: 'pre',
  addAttributes: () => ({ id: { default: 0, rendered: false } }),
  // Nothing is ever read from foreign markup: what is pasted is text.
  parseHTML: () => [],
  renderHTML: () => (content === '' ? ['div'] : ['div', 0]),
})

/** The nodes, by the names of the kinds of blocks. */
export const nodes = [Doc, Sheet, Text, block('utterance', 'text*'), block('heading', 'text*'), block('gap', '')]
