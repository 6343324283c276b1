// The microphone of this terminal: asked for as it is, without the browser's own improvements, at its own rate.
import worklet from '../worklet/capture.ts?worker&url'

/** Why there is no sound; each is another thing to do for the person. */
export type NoSound = 'insecure' | 'denied' | 'none' | 'busy' | 'failed'

/** A piece of sound, and when it was heard, by the calendar. */
export type Heard = { at: number; samples: Int16Array }

export type Microphone = {
  rateHz: number
  name: string
  device: string
  close: () => void
}

export type MicrophoneEvents = {
  heard: (piece: Heard) => void
  /** The microphone was unplugged, or something else took it. */
  gone: () => void
}

export type Choice = { id: string; name: string }

/** Tells whether this page may ask for a microphone at all: browsers allow it over https and on the machine itself only. */
export function canRecord(): boolean {
  return window.isSecureContext && 'mediaDevices' in navigator && 'AudioWorkletNode' in window
}

/** Lists the microphones; their names are known only after one was allowed. */
export async function microphones(): Promise<Choice[]> {
  if (!canRecord()) return []
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => [])
  return devices.filter((device) => device.kind === 'audioinput' && device.label !== '').map((device) => ({ id: device.deviceId, name: device.label }))
}

/** Tells when a microphone comes or goes; returns what stops it. */
export function onMicrophonesChanged(changed: () => void): () => void {
  if (!canRecord()) return () => {}
  navigator.mediaDevices.addEventListener('devicechange', changed)
  return () => navigator.mediaDevices.removeEventListener('devicechange', changed)
}

function reason(error: unknown): NoSound {
  const name = error instanceof DOMException ? error.name : ''
  const reasons: Record<string, NoSound> = { NotAllowedError: 'denied', SecurityError: 'denied', NotFoundError: 'none', OverconstrainedError: 'none', NotReadableError: 'busy', AbortError: 'busy' }
  return reasons[name] ?? 'failed'
}

async function streamOf(device: string): Promise<MediaStream> {
  const plain = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false }
  const ask = (audio: MediaTrackConstraints) => navigator.mediaDevices.getUserMedia({ audio })
  if (!device) return ask(plain)
  // The one that was chosen last time may be in another room today.
  return ask({ ...plain, deviceId: { exact: device } }).catch((error: unknown) => {
    if (reason(error) === 'none') return ask(plain)
    throw error
  })
}

/** Opens a microphone, or says why it cannot. */
export async function openMicrophone(device: string, events: MicrophoneEvents): Promise<Microphone | NoSound> {
  if (!canRecord()) return 'insecure'
  let stream: MediaStream | null = null
  try {
    stream = await streamOf(device)
    return await listenTo(stream, events)
  } catch (error) {
    stream?.getTracks().forEach((track) => track.stop())
    return reason(error)
  }
}

async function listenTo(stream: MediaStream, events: MicrophoneEvents): Promise<Microphone> {
  const [track] = stream.getAudioTracks()
  if (!track) throw new DOMException('no track', 'NotFoundError')
  const settings = track.getSettings()
  const context = new AudioContext(settings.sampleRate ? { sampleRate: settings.sampleRate } : {})
  await context.audioWorklet.addModule(worklet)
  const source = context.createMediaStreamSource(stream)
  const node = new AudioWorkletNode(context, 'capture', { channelCount: 1, channelCountMode: 'explicit', channelInterpretation: 'speakers' })
  node.port.onmessage = (event: MessageEvent<Heard>) => events.heard(event.data)
  // It gives out silence; being connected is what makes it run.
  source.connect(node).connect(context.destination)
  track.onended = () => events.gone()
  // Safari interrupts for a call, and goes on only when asked to.
  const wake = () => { if (context.state !== 'closed' && context.state !== 'running') void context.resume() }
  context.onstatechange = wake
  document.addEventListener('visibilitychange', wake)
  await context.resume()
  return {
    rateHz: context.sampleRate, name: track.label, device: settings.deviceId ?? '',
    close() {
      document.removeEventListener('visibilitychange', wake)
      context.onstatechange = null
      track.onended = null
      node.port.onmessage = null
      track.stop()
      void context.close()
    },
  }
}

/** Keeps the screen on, while something is recorded or captions are read; returns what lets it go. */
export function stayAwake(): () => void {
  let lock: WakeLockSentinel | null = null
  let isOver = false
  const ask = async () => {
    if (document.hidden || isOver || !('wakeLock' in navigator)) return
    // A battery that is nearly empty refuses; the recording goes on as long as the machine does.
    lock = await navigator.wakeLock.request('screen').catch(() => null)
    if (isOver) void lock?.release()
  }
  void ask()
  const seen = () => void ask()
  document.addEventListener('visibilitychange', seen)
  return () => {
    isOver = true
    document.removeEventListener('visibilitychange', seen)
    void lock?.release()
  }
}
