// What a finding of the consistency check leads to. Pure.

export type FindingKind = 'variant_character' | 'digit_width' | 'style' | 'comma_style' | 'speaker_name' | 'near_dictionary' | 'open_item' | 'decision' | 'times'
type Finding = { kind: FindingKind; suggestion: string; places: { text: string }[] }

/** Returns what would be replaced by what: only where every place has the same text and the suggestion is one, too. */
export function replacementOf({ kind, suggestion, places }: Finding): { from: string; to: string } | null {
  const from = places[0]?.text ?? ''
  const isText = kind === 'variant_character' || kind === 'near_dictionary'
  if (!isText || suggestion === '' || from === '' || from === suggestion) return null
  return places.every((place) => place.text === from) ? { from, to: suggestion } : null
}

/** Returns where a finding is put right that is about no text; null if it is about one. */
export function wayOf(kind: FindingKind): 'speakers' | 'items' | 'header' | null {
  switch (kind) {
    case 'speaker_name': return 'speakers'
    case 'open_item': case 'decision': return 'items'
    case 'times': return 'header'
    default: return null
  }
}
