// The keys of the meeting page, in the order of the list that Ctrl+/ shows. Keys that an input method or a browser owns
// (変換, F6 to F10, Tab, Ctrl with digits) are not used.
import type { Chord } from '../../lib/shortcuts'
import { keep, kept } from '../../lib/kept'
import type { TextKey } from '../../lib/text.svelte'
import { chosenKeys, readChosen, type Chosen } from '../../state/keymap'

export type Command =
  | 'play' | 'play_caret' | 'back' | 'forward' | 'slower' | 'faster' | 'loop' | 'next_check' | 'previous_check' | 'find' | 'replace'
  | 'save' | 'undo' | 'redo' | 'split' | 'join' | 'word' | 'keys' | 'mark_important' | 'mark_check' | 'mark_decision' | 'mark_todo'
  | 'mark_inaudible' | 'heading' | `speaker_${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9}`

type Key = { chord: Chord; command: Command; shown: string; text: TextKey }

const DEFAULTS: Key[] = [
  { chord: 'F2', command: 'play', shown: 'F2', text: 'keys.play' },
  { chord: 'Shift+F2', command: 'play_caret', shown: 'Shift + F2', text: 'keys.play_caret' },
  { chord: 'Ctrl+Comma', command: 'back', shown: 'Ctrl + ,', text: 'keys.back' },
  { chord: 'Ctrl+Period', command: 'forward', shown: 'Ctrl + .', text: 'keys.forward' },
  { chord: 'Ctrl+Shift+Comma', command: 'slower', shown: 'Ctrl + Shift + ,', text: 'keys.slower' },
  { chord: 'Ctrl+Shift+Period', command: 'faster', shown: 'Ctrl + Shift + .', text: 'keys.faster' },
  { chord: 'Ctrl+Semicolon', command: 'loop', shown: 'Ctrl + ;', text: 'keys.loop' },
  { chord: 'F4', command: 'next_check', shown: 'F4', text: 'keys.next_check' },
  { chord: 'Shift+F4', command: 'previous_check', shown: 'Shift + F4', text: 'keys.previous_check' },
  { chord: 'Ctrl+Enter', command: 'split', shown: 'Ctrl + Enter', text: 'keys.split' },
  { chord: 'Ctrl+Shift+Enter', command: 'join', shown: 'Ctrl + Shift + Enter', text: 'keys.join' },
  ...([1, 2, 3, 4, 5, 6, 7, 8, 9] as const).map((n) => ({ chord: `Alt+Digit${n}`, command: `speaker_${n}` as const, shown: `Alt + ${n}`, text: 'keys.speaker' as const })),
  { chord: 'Ctrl+KeyF', command: 'find', shown: 'Ctrl + F', text: 'keys.find' },
  { chord: 'Ctrl+KeyH', command: 'replace', shown: 'Ctrl + H', text: 'keys.replace' },
  { chord: 'Ctrl+KeyM', command: 'word', shown: 'Ctrl + M', text: 'keys.word' },
  { chord: 'Ctrl+KeyS', command: 'save', shown: 'Ctrl + S', text: 'keys.save' },
  { chord: 'Ctrl+KeyZ', command: 'undo', shown: 'Ctrl + Z', text: 'keys.undo' },
  { chord: 'Ctrl+KeyY', command: 'redo', shown: 'Ctrl + Y', text: 'keys.redo' },
  { chord: 'Ctrl+Slash', command: 'keys', shown: 'Ctrl + /', text: 'keys.keys' },
]

const NAME = 'keys'

/** The keys in use: the defaults, and what this person has chosen on this device. */
export let KEYS = chosenKeys(DEFAULTS, readChosen(kept(NAME)))

/** Returns what was chosen. */
export const chosen = (): Chosen => readChosen(kept(NAME))

/** Uses and keeps other keys; nothing chosen are the defaults. */
export function choose(wanted: Chosen): void {
  keep(NAME, Object.keys(wanted).length > 0 ? JSON.stringify(wanted) : null)
  KEYS = chosenKeys(DEFAULTS, wanted)
}

/** What follows on Alt+0: one more digit. */
export const MARK_KEYS: { digit: string; command: Command; text: TextKey }[] = [
  { digit: 'Digit1', command: 'mark_important', text: 'keys.mark_important' },
  { digit: 'Digit2', command: 'mark_check', text: 'keys.mark_check' },
  { digit: 'Digit3', command: 'mark_decision', text: 'keys.mark_decision' },
  { digit: 'Digit4', command: 'mark_todo', text: 'keys.mark_todo' },
  { digit: 'Digit5', command: 'mark_inaudible', text: 'keys.mark_inaudible' },
  { digit: 'Digit6', command: 'heading', text: 'keys.heading' },
]
