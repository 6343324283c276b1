// Keys that a person has chosen: which may be chosen, and what the list of keys then is.
import type { Chord } from '../lib/shortcuts'

/** What was chosen: a command's name and its key. `pedal` is a second key of `play`. */
export type Chosen = Record<string, Chord>
type Key = { chord: Chord; command: string; shown: string }

/** Why a key cannot be chosen: it writes, an input method or the browser owns it, or another command has it. */
export type Refusal = { kind: 'writes' | 'input_method' | 'browser' } | { kind: 'taken'; by: string }

const MODIFIERS = ['Ctrl', 'Alt', 'Shift', 'Meta']
/** F6 to F10 turn what is being typed into another script; the others are keys of Japanese keyboards. */
const INPUT_METHOD = /^(F([6-9]|10)|Convert|NonConvert|KanaMode|Lang[1-5]|Backquote|CapsLock)$|^Ctrl\+(Space|Backspace)$/
const BROWSER = /^(F1|F3|F5|F11|F12|Escape|Tab|Shift\+Tab)$|^Ctrl\+(Digit\d|Key[WTNLRPACVX]|Shift\+Key[TNI]|Tab)$|^Alt\+(F4|ArrowLeft|ArrowRight|Tab)$|^Meta\+/
/** Of keys without Ctrl or Alt only these write nothing. */
const SILENT = /^(F\d+|Media\w+|Pause|ScrollLock)$/

const last = (chord: Chord) => chord.split('+').at(-1) ?? ''

/** Tells whether an event is a whole chord and not only a modifier on its way. */
export function isWhole(chord: Chord): boolean {
  return !/^(Control|Alt|Shift|Meta|OS)(Left|Right)?$/.test(last(chord))
}

/** Says why a key cannot be chosen for a command, or null. */
export function refusalOf(chord: Chord, command: string, keys: Key[]): Refusal | null {
  const parts = chord.split('+')
  const isCommanding = parts.includes('Ctrl') || parts.includes('Alt')
  if (INPUT_METHOD.test(chord) || INPUT_METHOD.test(last(chord))) return { kind: 'input_method' }
  if (BROWSER.test(chord)) return { kind: 'browser' }
  if (!isCommanding && !SILENT.test(last(chord))) return { kind: 'writes' }
  const other = keys.find((key) => key.chord === chord && key.command !== command)
  return other ? { kind: 'taken', by: other.command } : null
}

const NAMES: Record<string, string> = { Comma: ',', Period: '.', Slash: '/', Semicolon: ';', Quote: "'", BracketLeft: '[', BracketRight: ']', Minus: '-', Equal: '=', ArrowUp: '↑', ArrowDown: '↓', ArrowLeft: '←', ArrowRight: '→' }

/** Writes a chord as it stands on the keys: Ctrl + Shift + , */
export function written(chord: Chord): string {
  return chord.split('+').map((part) => (MODIFIERS.includes(part) ? part : (NAMES[part] ?? part.replace(/^(Key|Digit)/, '')))).join(' + ')
}

/** Returns the keys with what was chosen; what cannot be a key (any more) stays as it was. */
export function chosenKeys<K extends Key>(defaults: K[], chosen: Chosen): K[] {
  const keys = defaults.map((key) => {
    const chord = chosen[key.command]
    return chord && !refusalOf(chord, key.command, []) ? { ...key, chord, shown: written(chord) } : key
  })
  const [pedal, play] = [chosen['pedal'], keys.find((key) => key.command === 'play')]
  return pedal && play ? [...keys, { ...play, chord: pedal, shown: written(pedal) }] : keys
}

/** Reads what was kept; what is damaged is nothing. */
export function readChosen(text: string | null): Chosen {
  try {
    const read: unknown = JSON.parse(text ?? '{}')
    if (typeof read !== 'object' || read === null) return {}
    return Object.fromEntries(Object.entries(read).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
  } catch {
    return {}
  }
}
