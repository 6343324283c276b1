// Short messages that need no answer. They never take the focus, and are announced.
import type { Problem } from '../api/client'
import { announce } from '../lib/announce'
import { sentence } from '../lib/text.svelte'

export type Toast = { id: number; kind: 'good' | 'info' | 'bad'; text: string; action?: { label: string; run: () => void } }

/** More at once nobody reads; the oldest goes first. */
const TOASTS_MAX = 4
const SHOWN_MS = 7_000

let toasts = $state.raw<Toast[]>([])
let next = 1

/** Returns what is shown now. */
export function shownToasts(): Toast[] {
  return toasts
}

/** Takes one away. */
export function dismiss(id: number): void {
  toasts = toasts.filter((toast) => toast.id !== id)
}

/** Shows a message; a bad one stays until it is closed. */
export function tell(text: string, kind: Toast['kind'] = 'good', action?: Toast['action']): void {
  const id = next++
  toasts = [...toasts, { id, kind, text, action }].slice(-TOASTS_MAX)
  announce(text, kind === 'bad' ? 'assertive' : 'polite')
  if (kind !== 'bad') setTimeout(() => dismiss(id), action ? SHOWN_MS * 2 : SHOWN_MS)
}

/** Shows a refusal with its number. */
export function tellProblem(problem: Problem): void {
  const detail = problem.detail ? `（${problem.detail}）` : ''
  tell(`${sentence(problem.title, problem.title_en)}${detail}（${problem.number}）`, 'bad')
}
