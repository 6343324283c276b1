import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { proof, step, unasked, wakeIn, type Input, type Output } from '../../src/state/seat'

type Case = { name: string; steps: { mono_ms: number; wall_ms: number; luck: number; input: Input; expect: Output[]; works: boolean; wake_ms: number | null }[] }
const path = new URL('../../../tests/fixtures/seats/holder_cases.json', import.meta.url)
const cases = JSON.parse(readFileSync(path, 'utf8')) as Case[]
const still = { mono_ms: 0, wall_ms: 0, luck: 0 }

test('the case file is the one the server runs, too', () => {
  expect(cases.length).toBeGreaterThanOrEqual(25)
})

test.each(cases)('$name', ({ steps }) => {
  let holding = unasked
  for (const [index, { input, expect: expected, works, wake_ms, ...passed }] of steps.entries()) {
    const after = step(holding, passed, input)
    holding = after.holding
    expect(after.outputs, `step ${index}`).toEqual(expected)
    expect(proof(holding, still) !== null, `step ${index} works`).toBe(works)
    expect(wakeIn(holding), `step ${index} wakes`).toBe(wake_ms ?? null)
  }
})

test('a step changes nothing of what was before it', () => {
  const { holding } = step(unasked, still, { kind: 'want' })
  expect(unasked.phase).toEqual({ kind: 'free' })
  expect(holding.phase.kind).toBe('asking')
})
