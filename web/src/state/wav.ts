// A WAV file of 16-bit sound in one channel, for people who carry a recording away by hand.

const HEAD_BYTES = 44

/** Returns the head of a file with so many samples behind it. */
export function wavHead(samples: number, rateHz: number): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(HEAD_BYTES))
  const text = (at: number, word: string) => [...word].forEach((one, index) => view.setUint8(at + index, one.charCodeAt(0)))
  text(0, 'RIFF')
  view.setUint32(4, HEAD_BYTES - 8 + 2 * samples, true)
  text(8, 'WAVEfmt ')
  view.setUint32(16, 16, true)
  // PCM, one channel.
  view.setUint16(20, 1, true)
  view.setUint16(22, 1, true)
  view.setUint32(24, rateHz, true)
  view.setUint32(28, 2 * rateHz, true)
  view.setUint16(32, 2, true)
  view.setUint16(34, 16, true)
  text(36, 'data')
  view.setUint32(40, 2 * samples, true)
  return view.buffer
}
