// What a screen of captions looks like: the choice of this browser.
import { keep, kept } from '../../lib/kept'
import { colours, type Colours } from '../../state/captions'

/** Returns a number that was chosen, if it is one of these. */
export function chosenNumber(name: string, allowed: readonly number[], otherwise: number): number {
  const value = Number(kept(`captions.${name}`) ?? Number.NaN)
  return allowed.includes(value) ? value : otherwise
}

/** Returns a word that was chosen, if it is one of these. */
export function chosenWord<W extends string>(name: string, allowed: readonly W[], otherwise: W): W {
  return allowed.find((word) => word === kept(`captions.${name}`)) ?? otherwise
}

/** Remembers a choice. */
export function choose(name: string, value: string | number): void {
  keep(`captions.${name}`, String(value))
}

/** Returns the colours of a name. */
export function coloursOf(name: string): Colours {
  return colours.find((one) => one.name === name) ?? (colours[0] as Colours)
}

/** Says colours as a style. */
export function styleOf({ ink, ground, loose }: Colours): string {
  return `--caption-ink:${ink};--caption-ground:${ground};--loose:${loose}`
}

export const COLOUR_NAMES = colours.map((one) => one.name)
