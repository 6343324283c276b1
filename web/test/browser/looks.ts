// What every page is asked: no violation of WCAG AA in both themes, and a picture at both sizes.
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { shots } from './office'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

type Violation = { id: string; help: string; nodes: { html: string; failureSummary?: string }[] }

/** Returns what axe finds on the page as it is now, a line each. */
export async function violations(page: Page): Promise<string[]> {
  // By the protocol, not by a script element: the page's own policy forbids those, and shall.
  await page.evaluate(axe)
  const found = await page.evaluate(async (rules) => {
    const runner = (window as unknown as { axe: { run: (root: Document, options: object) => Promise<{ violations: Violation[] }> } }).axe
    return (await runner.run(document, { runOnly: { type: 'tag', values: rules }, resultTypes: ['violations'] })).violations
  }, RULES)
  return found.flatMap((one) => one.nodes.map((node) => `${one.id}: ${one.help}\n    ${node.html.slice(0, 200)}\n    ${node.failureSummary ?? ''}`))
}

/** Looks at the page in both themes and at both sizes; returns the violations, and leaves pictures named `name`. */
export async function look(page: Page, name: string): Promise<string[]> {
  mkdirSync(shots, { recursive: true })
  const found: string[] = []
  for (const theme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    for (const [width, height] of [[1024, 768], [1440, 900]] as const) {
      await page.setViewportSize({ width, height })
      await page.waitForTimeout(60)
      await page.screenshot({ path: join(shots, `${name}-${width}-${theme}.png`) })
    }
    found.push(...(await violations(page)).map((line) => `${name} (${theme}): ${line}`))
  }
  return found
}
