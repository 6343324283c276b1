// What this terminal is called where seats are listed.
import { keep, kept } from './kept'
import { uuid } from './uuid'

/** A terminal, as the server wants it named. */
export type Device = { id: string; kind: 'browser' | 'tablet'; name: string }

const SYSTEMS: [RegExp, string][] = [[/iPad/, 'iPad'], [/iPhone/, 'iPhone'], [/Android/, 'Android'], [/Windows/, 'Windows'], [/Macintosh/, 'Mac'], [/CrOS/, 'ChromeOS'], [/Linux/, 'Linux']]
const BROWSERS: [RegExp, string][] = [[/Edg\//, 'Edge'], [/Firefox\//, 'Firefox'], [/Chrome\//, 'Chrome'], [/Safari\//, 'Safari']]

/** Says what a browser is by the words it introduces itself with; an iPad calls itself a Mac that can be touched. */
export function describe(agent: string, touches: number): Pick<Device, 'kind' | 'name'> {
  const found = (list: [RegExp, string][]) => list.find(([sign]) => sign.test(agent))?.[1] ?? ''
  const system = /Macintosh/.test(agent) && touches > 1 ? 'iPad' : found(SYSTEMS)
  const name = [system, found(BROWSERS)].filter(Boolean).join(' ')
  return { kind: system === 'iPad' || system === 'Android' ? 'tablet' : 'browser', name }
}

let made: Device | null = null

/** Returns this terminal; its name is made once and kept by the browser. */
export function thisDevice(): Device {
  if (made) return made
  const id = kept('device') ?? uuid()
  keep('device', id)
  made = { id, ...describe(navigator.userAgent, navigator.maxTouchPoints) }
  return made
}
