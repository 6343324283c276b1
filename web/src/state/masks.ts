// マスキング一覧, as it is edited before it is kept. Pure.

export type Mask = { text: string; with?: string }
export type Suggestion = { text: string; with: string; reason: string; count: number }

/** Puts a line into the list, or another replacement into the line of the same text. */
export function withMask(masks: readonly Mask[], mask: Mask): Mask[] {
  const text = mask.text.trim()
  if (text === '') return [...masks]
  const line = { text, with: (mask.with ?? '').trim() }
  const at = masks.findIndex((one) => one.text === text)
  return at < 0 ? [...masks, line] : masks.with(at, line)
}

/** Takes a line out. */
export function withoutMask(masks: readonly Mask[], text: string): Mask[] {
  return masks.filter((one) => one.text !== text)
}

/** Puts all that is suggested into the list; what stands there already stays as it is. */
export function withSuggestions(masks: readonly Mask[], suggestions: readonly Suggestion[]): Mask[] {
  const known = new Set(masks.map((one) => one.text))
  return [...masks, ...suggestions.filter((one) => !known.has(one.text)).map((one) => ({ text: one.text, with: one.with }))]
}
