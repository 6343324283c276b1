// A room that speaks: the sample meeting as the browser's microphone, and whether a recording of it has a hole.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repository } from './office'

/** Sound by which two recordings are compared: the loudness of each hundredth of a second. */
const BINS_PER_SECOND = 100

export type Room = { flags: string[]; file: string; close: () => void }

/** Makes the file that the browser hears instead of a microphone. */
export function speakingRoom(): Room {
  const folder = mkdtempSync(join(tmpdir(), 'gijiroku-microphone-'))
  const file = join(folder, 'room.wav')
  const sample = join(repository, 'tests/fixtures/audio/sample_meeting.ogg')
  execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', sample, '-ar', '48000', '-ac', '1', file])
  const flags = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-audio-capture=${file}`]
  return { flags, file, close: () => rmSync(folder, { recursive: true, force: true }) }
}

/** Returns the loudness of a 16-bit recording with one channel, and its length in milliseconds. */
export function loudness(wav: Buffer): { bins: Float64Array; ms: number } {
  let at = 12
  let [rate, data] = [0, Buffer.alloc(0)]
  while (at + 8 <= wav.length) {
    const [name, length] = [wav.toString('latin1', at, at + 4), wav.readUInt32LE(at + 4)]
    if (name === 'fmt ') rate = wav.readUInt32LE(at + 12)
    if (name === 'data') data = wav.subarray(at + 8, at + 8 + length)
    at += 8 + length + (length % 2)
  }
  const samples = new Int16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.length - (data.length % 2)))
  const size = rate / BINS_PER_SECOND
  const bins = Float64Array.from({ length: Math.floor(samples.length / size) }, (_, bin) => {
    let power = 0
    for (let sample = Math.floor(bin * size); sample < (bin + 1) * size; sample++) power += (samples[sample] ?? 0) ** 2
    return Math.log10(1 + power / size)
  })
  return { bins, ms: (samples.length * 1000) / rate }
}

/** Finds where a stretch of a recording lies in the sound of the room, in milliseconds. */
export function placeOf(stretch: Float64Array, room: Float64Array): { ms: number; likeness: number } {
  const mean = (bins: Float64Array) => bins.reduce((sum, bin) => sum + bin, 0) / bins.length
  const [middle, best] = [mean(stretch), { ms: 0, likeness: -1 }]
  for (let from = 0; from + stretch.length <= room.length; from++) {
    const part = room.subarray(from, from + stretch.length)
    const other = mean(part)
    let [product, mine, theirs] = [0, 0, 0]
    for (let bin = 0; bin < stretch.length; bin++) {
      const [a, b] = [(stretch[bin] ?? 0) - middle, (part[bin] ?? 0) - other]
      product += a * b
      mine += a * a
      theirs += b * b
    }
    const likeness = product / Math.sqrt(mine * theirs || 1)
    if (likeness > best.likeness) Object.assign(best, { ms: (from * 1000) / BINS_PER_SECOND, likeness })
  }
  return best
}

/** Returns by how much each stretch of a recording lies elsewhere than the first one says: a hole makes the rest come early. */
export function shifts(recording: Buffer, room: string, untilMs: number): number[] {
  const [heard, spoken] = [loudness(recording).bins, loudness(readFileSync(room)).bins]
  const seconds = 4 * BINS_PER_SECOND
  const found: number[] = []
  for (let from = 0; from + seconds <= Math.min(heard.length, (untilMs / 1000) * BINS_PER_SECOND); from += seconds) {
    const { ms, likeness } = placeOf(heard.subarray(from, from + seconds), spoken)
    // A stretch in which nobody speaks is found anywhere.
    if (likeness > 0.9) found.push(ms - (from * 1000) / BINS_PER_SECOND)
  }
  return found.map((place) => place - (found[0] ?? 0))
}
