import { expect, test } from 'vitest'
import { chosenKeys, isWhole, readChosen, refusalOf, written } from '../../src/state/keymap'

const keys = [{ chord: 'F2', command: 'play', shown: 'F2' }, { chord: 'Ctrl+Enter', command: 'split', shown: 'Ctrl + Enter' }]

test.each([
  ['KeyA', 'writes'], ['Shift+KeyA', 'writes'], ['Space', 'writes'], ['Enter', 'writes'],
  ['F7', 'input_method'], ['Convert', 'input_method'], ['Ctrl+Space', 'input_method'], ['Ctrl+Backspace', 'input_method'],
  ['F5', 'browser'], ['Ctrl+Digit1', 'browser'], ['Ctrl+KeyW', 'browser'], ['Tab', 'browser'], ['Meta+KeyK', 'browser'],
])('%s cannot be chosen: %s', (chord, kind) => {
  expect(refusalOf(chord, 'play', keys)).toEqual({ kind })
})

test('a key of another command is told with its command; one of its own is not refused', () => {
  expect(refusalOf('Ctrl+Enter', 'play', keys)).toEqual({ kind: 'taken', by: 'split' })
  expect(refusalOf('F2', 'play', keys)).toBeNull()
  expect(refusalOf('Alt+KeyP', 'play', keys)).toBeNull()
  expect(refusalOf('F13', 'pedal', keys)).toBeNull()
})

test('what was chosen takes the place of the default, and a pedal is a second key of play', () => {
  const now = chosenKeys(keys, { split: 'Alt+Comma', pedal: 'F13' })
  expect(now.map((key) => [key.command, key.chord, key.shown])).toEqual([['play', 'F2', 'F2'], ['split', 'Alt+Comma', 'Alt + ,'], ['play', 'F13', 'F13']])
  expect(chosenKeys(keys, { split: 'KeyA' })).toEqual(keys)
})

test('a chord is written as it stands on the keys, and a modifier alone is none', () => {
  expect([written('Ctrl+Shift+Comma'), written('Alt+Digit1'), written('F2')]).toEqual(['Ctrl + Shift + ,', 'Alt + 1', 'F2'])
  expect([isWhole('Ctrl+ControlLeft'), isWhole('Shift+ShiftRight'), isWhole('Ctrl+KeyB')]).toEqual([false, false, true])
})

test('damaged choices are no choices', () => {
  expect([readChosen(null), readChosen('{'), readChosen('[1]'), readChosen('{"play":"F9","x":1}')]).toEqual([{}, {}, {}, { play: 'F9' }])
})
