import { expect, test, vi } from 'vitest'
import { chordOf, listen } from '../../src/lib/shortcuts'

function key(code: string, more: Partial<KeyboardEvent> = {}): Event {
  const event = new Event('keydown', { cancelable: true })
  return Object.assign(event, { code, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, isComposing: false, keyCode: 0, ...more })
}

function board() {
  const target = new EventTarget()
  const run = vi.fn()
  const stop = listen(target as Document, () => ({ 'Ctrl+Enter': run, F2: run }))
  return { target, run, stop }
}

test('a chord is written by the place of its key', () => {
  expect(chordOf({ code: 'Comma', ctrlKey: true, metaKey: false, altKey: false, shiftKey: true })).toBe('Ctrl+Shift+Comma')
  expect(chordOf({ code: 'Numpad3', ctrlKey: false, metaKey: false, altKey: true, shiftKey: false })).toBe('Alt+Digit3')
  expect(chordOf({ code: 'Digit1', ctrlKey: true, metaKey: false, altKey: true, shiftKey: false }), 'macOS').toBe('Alt+Digit1')
})

test('a key acts, and the browser does not get it', () => {
  const { target, run, stop } = board()
  const event = key('F2')
  target.dispatchEvent(event)
  expect([run.mock.calls.length, event.defaultPrevented]).toEqual([1, true])
  stop()
  target.dispatchEvent(key('F2'))
  expect(run).toHaveBeenCalledTimes(1)
})

test('no key acts while an input method composes, nor in the tick after it', async () => {
  const { target, run } = board()
  target.dispatchEvent(key('Enter', { ctrlKey: true, isComposing: true }))
  target.dispatchEvent(key('Enter', { ctrlKey: true, keyCode: 229 }))
  target.dispatchEvent(new Event('compositionstart'))
  target.dispatchEvent(key('Enter', { ctrlKey: true }))
  target.dispatchEvent(new Event('compositionend'))
  target.dispatchEvent(key('Enter', { ctrlKey: true }))
  expect(run).not.toHaveBeenCalled()
  await new Promise((done) => setTimeout(done, 1))
  target.dispatchEvent(key('Enter', { ctrlKey: true }))
  expect(run).toHaveBeenCalledTimes(1)
})
