// Keys that act. Rule one: while an input method composes, no key acts, nor in the tick after it has ended.
// Rule two: keys are matched by their place on the keyboard (`event.code`), so every layout works.

/** A key with its modifiers, as in `Ctrl+Shift+Enter`, `F2`, `Alt+Digit1`. On macOS ⌃ stands for Ctrl and ⌃⌥ for Alt. */
export type Chord = string

/** What a key does; false lets the key through to the browser. */
export type Action = (event: KeyboardEvent) => boolean | void

/** Says how an event would be written as a chord. */
export function chordOf(event: Pick<KeyboardEvent, 'code' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey'>): Chord {
  const parts: string[] = []
  const isMacAlt = event.ctrlKey && event.altKey
  if (event.ctrlKey && !isMacAlt) parts.push('Ctrl')
  if (event.altKey) parts.push('Alt')
  if (event.shiftKey) parts.push('Shift')
  if (event.metaKey) parts.push('Meta')
  // The digits of the number pad are digits.
  parts.push(event.code.replace(/^Numpad(\d)$/, 'Digit$1').replace('NumpadEnter', 'Enter'))
  return parts.join('+')
}

/** Tells whether an input method has the key: the browser says so, or gives the key the code 229. */
export function isComposing(event: Pick<KeyboardEvent, 'isComposing' | 'keyCode'>): boolean {
  return event.isComposing || event.keyCode === 229
}

const capture = { capture: true }

/** Listens to keys below `target` and returns what stops it. `keys` is asked anew for every key. */
export function listen(target: HTMLElement | Document, keys: () => Record<Chord, Action>): () => void {
  let composing = false
  // Safari sends the Enter that ends a composition after its end; it is part of it.
  let settle: ReturnType<typeof setTimeout> | undefined
  const began = () => {
    clearTimeout(settle)
    composing = true
  }
  const ended = () => {
    settle = setTimeout(() => { composing = false }, 0)
  }
  const pressed = (event: Event) => {
    const key = event as KeyboardEvent
    if (composing || isComposing(key) || key.defaultPrevented) return
    const action = keys()[chordOf(key)]
    if (action && action(key) !== false) {
      key.preventDefault()
      key.stopPropagation()
    }
  }
  target.addEventListener('compositionstart', began, capture)
  target.addEventListener('compositionend', ended, capture)
  target.addEventListener('keydown', pressed, capture)
  return () => {
    clearTimeout(settle)
    target.removeEventListener('compositionstart', began, capture)
    target.removeEventListener('compositionend', ended, capture)
    target.removeEventListener('keydown', pressed, capture)
  }
}
