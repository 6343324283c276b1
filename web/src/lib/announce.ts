// Tells screen readers what changed without moving the focus.
const REGION = 'announcer'

/** Says a sentence politely, or at once if it cannot wait. */
export function announce(text: string, urgency: 'polite' | 'assertive' = 'polite'): void {
  const region = document.getElementById(`${REGION}-${urgency}`)
  if (!region) return
  // The same sentence twice is a change only if it was empty in between.
  region.textContent = ''
  requestAnimationFrame(() => { region.textContent = text })
}
