// Small choices of this browser (theme, language, sizes). A browser that keeps nothing is fine, too.
const PREFIX = 'gijiroku.'

/** Returns what was kept under a name. */
export function kept(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name)
  } catch {
    return null
  }
}

/** Keeps a value under a name; null forgets it. */
export function keep(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name)
    else localStorage.setItem(PREFIX + name, value)
  } catch {
    // Private windows may refuse; the choice then lasts as long as the page.
  }
}
