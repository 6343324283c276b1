// Light or dark: the reader's choice, else the system's.
import { kept, keep } from './kept'

export type Theme = 'system' | 'light' | 'dark'
const NAME = 'theme'

let theme = $state<Theme>('system')

/** Returns the choice. */
export function currentTheme(): Theme {
  return theme
}

/** Shows a theme from now on. */
export function useTheme(wanted: Theme): void {
  theme = wanted
  keep(NAME, wanted)
  if (wanted === 'system') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = wanted
}

/** Shows what was chosen last time. */
export function restoreTheme(): void {
  const last = kept(NAME)
  useTheme(last === 'light' || last === 'dark' ? last : 'system')
}
