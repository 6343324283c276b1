import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { isConnected, sender, step, wakeIn, type Input, type Output, type ServerSays } from '../../src/state/capture'
import { checksum, encode } from '../../src/state/frames'
import { hear, hearing, isMute, quietMs } from '../../src/state/level'
import { mayGoOn, room, silenceBefore, standing, type Kept } from '../../src/state/recording'

type Step = { at_ms: number; luck: number; input: Input; expect?: Output[]; expect_sends?: object; wake_ms: number | null }
type Case = { name: string; recorded: number; kept_from: number; steps: Step[] }
const path = new URL('../../../tests/fixtures/capture_cases.json', import.meta.url)
const cases = JSON.parse(readFileSync(path, 'utf8')) as Case[]
const RATE = 1_000

/** What a newer server says, and what is for people, is no business of the machine: the socket's owner passes it over. */
function known(input: Input): Input {
  if (input.kind !== 'heard' || ['welcome', 'stored', 'resend', 'ended'].includes(input.says.type)) return input
  return { kind: 'heard', says: { type: 'other' } satisfies ServerSays }
}

function far(outputs: Output[]) {
  const sends = outputs.filter((output) => output.kind === 'send')
  const last = sends.at(-1)
  return { first: sends[0]?.first_sample, frames: sends.length, last_end: (last?.first_sample ?? 0) + (last?.samples ?? 0) }
}

test('the case file is the one the server runs, too', () => {
  expect(cases.length).toBeGreaterThanOrEqual(10)
})

test.each(cases)('$name', ({ recorded, kept_from, steps }) => {
  let one = sender('m', RATE, kept_from, recorded)
  for (const [index, { at_ms, luck, input, expect: expected, expect_sends, wake_ms }] of steps.entries()) {
    const after = step(one, { ms: at_ms, luck }, known(input))
    one = after.sender
    if (expect_sends) expect(far(after.outputs), `step ${index}`).toEqual(expect_sends)
    else expect(after.outputs, `step ${index}`).toEqual(expected)
    expect(wakeIn(one, at_ms), `step ${index} wakes`).toBe(wake_ms)
  }
})

test('a step changes nothing of what was before it', () => {
  const before = sender('m', RATE)
  const after = step(before, { ms: 0, luck: 0 }, { kind: 'recorded', samples: 500 }).sender
  expect([before.recorded, after.recorded, isConnected(before)]).toEqual([0, 500, false])
})

test('whatever breaks, every sample arrives once and in order', () => {
  // A line that breaks, a server that forgets what was not synced: the same numbers at every run.
  let luck = 7
  const dice = (n: number) => { luck = (luck * 1_103_515_245 + 12_345) % 2_147_483_648; return luck % n }
  for (let round = 0; round < 200; round++) {
    let one = sender('m', RATE)
    let [ms, open, kept, durable, ended] = [0, false, 0, 0, false]
    const feed = (input: Input) => {
      const queue = [input]
      for (let next = queue.shift(); next; next = queue.shift()) {
        const after = step(one, { ms, luck: dice(1000) }, next)
        one = after.sender
        for (const output of after.outputs) {
          if (output.kind === 'connect') { open = true; queue.push({ kind: 'opened' }) }
          if (output.kind === 'close') open = false
          if (output.kind === 'say') queue.push({ kind: 'heard', says: output.message.type === 'hello' ? { type: 'welcome', stored: durable } : { type: 'other' } })
          if (output.kind === 'say' && output.message.type === 'hello') kept = durable
          if (output.kind === 'say' && output.message.type === 'end') { durable = kept; queue.push({ kind: 'heard', says: { type: 'ended' } }) }
          if (output.kind === 'send' && open) {
            expect(output.first_sample).toBe(kept)
            kept += output.samples
          }
          if (output.kind === 'forget') expect(output.before).toBeLessThanOrEqual(durable)
          if (output.kind === 'over') ended = output.whole
        }
      }
    }
    let recorded = 0
    for (let turn = 0; turn < 60; turn++) {
      ms += dice(3_000)
      const what = dice(6)
      if (what < 3) feed({ kind: 'recorded', samples: (recorded += dice(400)) })
      else if (what === 3 && open) { open = false; feed({ kind: 'closed' }) }
      else if (what === 4 && open) { durable = kept; feed({ kind: 'heard', says: { type: 'stored', samples: durable } }) }
      else feed({ kind: 'wake' })
    }
    feed({ kind: 'finish' })
    for (let turn = 0; turn < 10 && !ended; turn++) { ms += 60_000; feed({ kind: 'wake' }) }
    expect([ended, durable], `round ${round}`).toEqual([true, recorded])
  }
})

test('a frame is the same bytes as the server writes', () => {
  const bytes = new Uint8Array(encode({ number: 7, first_sample: 0x1_0000_0002, hole_before: true, samples: Int16Array.of(1, -2) }))
  expect([...bytes.slice(0, 20)]).toEqual([1, 1, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0])
  expect([...bytes.slice(24)]).toEqual([1, 0, 0xfe, 0xff])
  // The check value of CRC-32/ISO-HDLC in every catalogue, in one piece and in two.
  const text = new TextEncoder().encode('123456789')
  expect([checksum(text), checksum(text.slice(0, 4), text.slice(4))]).toEqual([0xcbf43926, 0xcbf43926])
})

/** Half a second of a tone, half a second of a quiet room. */
function speech(seconds: number, peak: number): Int16Array {
  return Int16Array.from({ length: seconds * 16_000 }, (_, index) => {
    const loud = Math.floor(index / 8_000) % 2 === 0 ? peak : peak / 300
    return Math.max(-32_768, Math.min(32_767, Math.trunc(Math.sin(index * 0.13) * loud * 32_768)))
  })
}

test('advice follows the loudness of speech, as at the server', () => {
  const advice = (peak: number) => hear(hearing(16_000), speech(10, peak)).told
  expect([0.003, 0.1, 0.9, 1.5].map(advice)).toEqual(['too_low', 'good', 'too_loud', 'clipping'])
})

test('nothing is said about a room in which nobody speaks, and its silence is counted', () => {
  const fan = Int16Array.from({ length: 160_000 }, (_, index) => ((index * 7919) % 61) - 30)
  const quiet = hear(hearing(16_000), fan)
  expect([quiet.told, quietMs(quiet)]).toEqual([null, 10_000])
  const spoken = hear(quiet, speech(1, 0.1))
  expect(quietMs(spoken)).toBeLessThanOrEqual(600)
  expect(isMute(hear(hearing(1_000), new Int16Array(30_000)))).toBe(true)
  expect(isMute(quiet)).toBe(false)
})

test('how a recording stands is said in six words', () => {
  const facts = { isOn: true, isPaused: false, isFinished: false, isConnected: true, behindMs: 400 }
  expect(standing(facts)).toBe('recording')
  expect(standing({ ...facts, isConnected: false })).toBe('recording_offline')
  expect(standing({ ...facts, isPaused: true })).toBe('paused')
  expect(standing({ ...facts, isPaused: true, isConnected: false })).toBe('waiting')
  expect(standing({ ...facts, isOn: false, isFinished: true, isConnected: false, behindMs: 180_000 })).toBe('waiting')
  expect(standing({ ...facts, isOn: false, isFinished: true, behindMs: 0 })).toBe('stored')
  // A page was closed in the middle: what was heard is safe, and the rest of the meeting is not heard.
  expect(standing({ ...facts, isOn: false, behindMs: 0 })).toBe('interrupted')
})

test('where the microphone had a hole, silence of the same length stands', () => {
  expect(silenceBefore(null, 5_000, 100)).toEqual({ ms: 0, hole: false })
  expect(silenceBefore(1_000, 1_130, 100)).toEqual({ ms: 0, hole: false })
  expect(silenceBefore(1_000, 8_100, 100)).toEqual({ ms: 7_000, hole: true })
  // The clock was set, or the lid was closed for hours: marked, not filled.
  expect(silenceBefore(1_000, 9_000_000, 100)).toEqual({ ms: 0, hole: true })
})

test('a microphone goes on after a crash only if it is the same, and soon', () => {
  const kept: Kept = { stream: 's', live: 'l', meeting: 'm', title: 't', user: 'u', rateHz: 48_000, at: 1_000, finished: false }
  expect(mayGoOn(kept, 48_000, 61_000)).toBe(true)
  expect(mayGoOn(kept, 44_100, 61_000)).toBe(false)
  expect(mayGoOn(kept, 48_000, 1_000 + 11 * 60_000)).toBe(false)
  expect(mayGoOn({ ...kept, finished: true }, 48_000, 61_000)).toBe(false)
})

test('the browser\'s room for sound is told from a half on', () => {
  expect([10, 50, 95].map((used) => room(used, 100))).toEqual(['plenty', 'half', 'full'])
})
