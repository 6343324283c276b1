// Runs beside the sound card: floats become 16-bit pieces of a tenth of a second, each with the number of its first
// sample and the moment it was heard. Nothing else is done here.

declare const sampleRate: number
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void
declare class AudioWorkletProcessor {
  readonly port: MessagePort
}

const PIECE_SAMPLES = Math.floor(sampleRate / 10)

class Capture extends AudioWorkletProcessor {
  private piece = new Int16Array(PIECE_SAMPLES)
  private filled = 0
  private first = 0

  /** Hears the first channel of each block; a microphone that is gone is heard as silence. */
  process(inputs: Float32Array[][]): boolean {
    const channel = inputs[0]?.[0]
    const length = channel?.length ?? 128
    for (let at = 0; at < length; at++) {
      const size = Math.max(-1, Math.min(1, channel?.[at] ?? 0))
      this.piece[this.filled++] = Math.round(size < 0 ? size * 32_768 : size * 32_767)
      if (this.filled === PIECE_SAMPLES) this.deliver()
    }
    return true
  }

  private deliver(): void {
    const samples = this.piece
    this.port.postMessage({ first: this.first, at: Date.now(), samples }, [samples.buffer])
    // What is handed over has no length any more.
    this.first += PIECE_SAMPLES
    this.piece = new Int16Array(PIECE_SAMPLES)
    this.filled = 0
  }
}

registerProcessor('capture', Capture)
