// A frame of sound on its way to the server, byte by byte as src/audio/frames.rs reads it:
//
//   kind u8 = 1 │ flags u8 │ reserved u16 = 0 │ number u32 │ first_sample u64 │ samples u32 │ crc32 u32 │ s16le …
//
// All numbers are little-endian. The checksum covers the 20 bytes before it and the samples after it.

const HEADER_BYTES = 24
const CRC_AT = 20
const KIND_AUDIO = 1
const FLAG_HOLE = 1

export type Frame = { number: number; first_sample: number; hole_before: boolean; samples: Int16Array }

/** Remainders of every byte by the reversed polynomial of IEEE 802.3. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? 0xedb88320 ^ (rest >>> 1) : rest >>> 1
  return rest >>> 0
})

function crc(start: number, bytes: Uint8Array): number {
  let value = start
  for (const byte of bytes) value = (table[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8)
  return value >>> 0
}

/** Returns the checksum of bytes, as every catalogue has it. */
export function checksum(...parts: Uint8Array[]): number {
  return ~parts.reduce(crc, 0xffffffff) >>> 0
}

/** Writes a frame. */
export function encode(frame: Frame): ArrayBuffer {
  const buffer = new ArrayBuffer(HEADER_BYTES + 2 * frame.samples.length)
  const view = new DataView(buffer)
  view.setUint8(0, KIND_AUDIO)
  view.setUint8(1, frame.hole_before ? FLAG_HOLE : 0)
  view.setUint32(4, frame.number, true)
  view.setBigUint64(8, BigInt(frame.first_sample), true)
  view.setUint32(16, frame.samples.length, true)
  frame.samples.forEach((sample, at) => view.setInt16(HEADER_BYTES + 2 * at, sample, true))
  view.setUint32(CRC_AT, checksum(new Uint8Array(buffer, 0, CRC_AT), new Uint8Array(buffer, HEADER_BYTES)), true)
  return buffer
}
