// What this browser remembers of a live meeting beside its recording: the picture of its link, its agenda.
import { keep, kept } from '../../lib/kept'
import type { LinkView } from '../../api/live'

/** Remembers the link of a live meeting with its picture: the server draws it only when it makes the link. */
export function keepLink(live: string, link: LinkView | null): void {
  keep(`link.${live}`, link?.url ? JSON.stringify(link) : null)
}

/** Returns the link with its picture, if it is the one that is valid now. */
export function keptLink(live: string, path: string | null): LinkView | null {
  const text = kept(`link.${live}`)
  if (!text || !path) return null
  const link = JSON.parse(text) as LinkView
  return link.url?.endsWith(path) ? link : null
}

/** Remembers the prepared agenda. */
export function keepAgenda(live: string, items: string[]): void {
  keep(`agenda.${live}`, items.length > 0 ? JSON.stringify(items) : null)
}

/** Returns the prepared agenda. */
export function keptAgenda(live: string): string[] {
  return JSON.parse(kept(`agenda.${live}`) ?? '[]') as string[]
}

/** Reads an agenda, an item a line. */
export function agendaOf(text: string): string[] {
  return text.split('\n').map((line) => line.trim()).filter((line) => line !== '').slice(0, 100)
}
