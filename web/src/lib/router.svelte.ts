// Which page is shown: the address decides. Plain links work; the server gives every address the same document.

/** A page's address with places for values: `/meetings/:id`. */
export type Route = { path: string; name: string }

/** Where the reader is. */
export type Place = { path: string; search: URLSearchParams; hash: string }

const here = (): Place => ({
  path: location.pathname, search: new URLSearchParams(location.search), hash: location.hash.slice(1),
})

let place = $state.raw<Place>(here())
/** Asked before a page is left; a page with unsaved work says no. */
let guard: (() => boolean) | null = null

/** Returns where the reader is. */
export function currentPlace(): Place {
  return place
}

/** Goes to an address of this product. */
export function go(address: string, how: 'push' | 'replace' = 'push'): void {
  if (guard && !guard()) return
  if (how === 'push') history.pushState(null, '', address)
  else history.replaceState(null, '', address)
  place = here()
  window.scrollTo(0, 0)
}

/** Asks before the page is left; returns what stops asking. */
export function guardLeaving(mayLeave: () => boolean): () => void {
  guard = mayLeave
  return () => { if (guard === mayLeave) guard = null }
}

/** Matches an address; returns the values, or null. */
export function match(path: string, pattern: string): Record<string, string> | null {
  const [got, wanted] = [path, pattern].map((text) => text.split('/').filter(Boolean)) as [string[], string[]]
  if (got.length !== wanted.length) return null
  const values: Record<string, string> = {}
  for (const [index, part] of wanted.entries()) {
    const value = decodeURIComponent(got[index] ?? '')
    if (part.startsWith(':')) values[part.slice(1)] = value
    else if (part !== value) return null
  }
  return values
}

/** Follows plain clicks on links of this product, and the browser's own buttons; returns what stops it. */
export function startRouter(): () => void {
  const clicked = (event: MouseEvent) => {
    if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return
    const link = (event.target as Element | null)?.closest('a')
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return
    if (link.pathname.startsWith('/v1/') || link.dataset['plain'] !== undefined) return
    if (link.pathname === location.pathname && link.hash) return
    event.preventDefault()
    go(link.pathname + link.search + link.hash)
  }
  const moved = () => { place = here() }
  document.addEventListener('click', clicked)
  window.addEventListener('popstate', moved)
  window.addEventListener('hashchange', moved)
  return () => {
    document.removeEventListener('click', clicked)
    window.removeEventListener('popstate', moved)
    window.removeEventListener('hashchange', moved)
  }
}
