// Every text a person reads comes from src/text through `t`; the language is the reader's choice.
import { ja, type Texts } from '../text/ja'

export type Language = 'ja' | 'en'

/** A text's name: its section and its key, `meetings.title`. */
export type TextKey = { [S in keyof Texts & string]: `${S}.${keyof Texts[S] & string}` }[keyof Texts & string]

let language = $state<Language>('ja')
let texts = $state.raw<Texts>(ja)

/** Returns the language in use. */
export function currentLanguage(): Language {
  return language
}

/** Changes the language; English is loaded when somebody wants it. */
export async function useLanguage(wanted: Language): Promise<void> {
  texts = wanted === 'ja' ? ja : (await import('../text/en')).en
  language = wanted
  document.documentElement.lang = wanted
}

/** Returns a text, with `{name}` replaced by the value of that name. */
export function t(key: TextKey, values: Record<string, string | number> = {}): string {
  const [section, name] = key.split('.') as [keyof Texts, string]
  const text = (texts[section] as Record<string, string>)[name] ?? key
  return text.replace(/\{(\w+)\}/g, (whole, value: string) => String(values[value] ?? whole))
}

/** Returns whichever of the two sentences of a server's answer is in the reader's language. */
export function sentence(japanese: string, english: string | null | undefined): string {
  return language === 'en' && english ? english : japanese
}
