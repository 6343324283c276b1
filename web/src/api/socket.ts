// The only place that opens a WebSocket or listens to server-sent events; each opener returns its closer.

/** What a socket tells its owner. */
export type SocketEvents = {
  open?: () => void
  /** Text as JSON; what is no JSON is passed over. */
  message?: (message: unknown) => void
  /** Bytes, where the other side sends any. */
  bytes?: (bytes: ArrayBuffer) => void
  close?: (code: number) => void
}

/** An open socket. */
export type Socket = {
  send: (message: object | ArrayBuffer) => boolean
  buffered: () => number
  close: () => void
}

/** Opens a socket on this server. It does not reconnect: when to try again is its owner's decision. */
export function openSocket(path: string, events: SocketEvents): Socket {
  const address = new URL(path, location.href)
  address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
  const socket = new WebSocket(address)
  socket.binaryType = 'arraybuffer'
  let closed = false
  socket.onopen = () => events.open?.()
  socket.onmessage = (event: MessageEvent<unknown>) => {
    if (event.data instanceof ArrayBuffer) return events.bytes?.(event.data)
    const message = parsed(event.data)
    if (message !== undefined) events.message?.(message)
  }
  socket.onclose = (event) => {
    if (!closed) events.close?.(event.code)
    closed = true
  }
  return {
    send(message) {
      if (socket.readyState !== WebSocket.OPEN) return false
      socket.send(message instanceof ArrayBuffer ? message : JSON.stringify(message))
      return true
    },
    buffered: () => socket.bufferedAmount,
    close() {
      closed = true
      socket.close()
    },
  }
}

/** Follows server-sent events of these names; the browser reconnects by itself and tells the last id. */
export function follow(
  path: string,
  names: string[],
  told: (message: unknown, name: string) => void,
  lost: () => void = () => {},
): () => void {
  const source = new EventSource(path)
  for (const name of names) {
    source.addEventListener(name, (event) => {
      const message = parsed((event as MessageEvent<unknown>).data)
      if (message !== undefined) told(message, name)
    })
  }
  source.onerror = () => lost()
  return () => source.close()
}

function parsed(text: unknown): unknown {
  if (typeof text !== 'string') return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
