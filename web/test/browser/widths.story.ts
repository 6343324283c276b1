// Every page of the frame fits a tablet held upright, and reflows at 320 px (zoom of 400 %): only tables scroll sideways.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { openOffice, shots, type Office } from './office'

const PAGES = ['/seats', '/words', '/profile', '/help', '/admin', '/admin/users', '/admin/departments', '/admin/seats', '/admin/seats?tab=chart', '/admin/seats?tab=reservations',
  '/admin/seats?tab=report', '/admin/policy', '/admin/policy?tab=explain', '/admin/policy?tab=whatif', '/admin/policy?tab=limits', '/admin/licence', '/admin/templates',
  '/admin/retention', '/admin/audit', '/admin/health']
let office: Office
let page: Page

beforeAll(async () => {
  office = await openOffice()
  const { id } = await office.admin.ask<{ id: string }>('POST', '/v1/word-groups', { name: '議員の氏名' })
  await office.admin.ask('POST', `/v1/word-groups/${id}/words`, { written: '髙橋', reading: 'たかはし', kind: 'person', sources: ['高橋'] })
  page = await office.browse(office.admin)
  mkdirSync(shots, { recursive: true })
})
afterAll(async () => {
  expect(office.strays).toEqual([])
  await office.close()
})

describe.each(['ja', 'en'])('in %s', (language) => {
  beforeAll(async () => {
    await page.goto(office.root)
    await page.evaluate((wanted) => localStorage.setItem('gijiroku.language', wanted), language)
  })

  test.each(PAGES)('%s fits', async (path) => {
    await page.goto(office.root + path)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.waitForLoadState('networkidle')
    for (const [width, height] of [[768, 1024], [320, 640]] as const) {
      await page.setViewportSize({ width, height })
      await page.screenshot({ path: join(shots, `w${path.replace(/\W+/g, '-')}-${language}-${width}.png`) })
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
      expect(over, `${path} at ${width}`).toBeLessThanOrEqual(0)
    }
    const small = await page.evaluate(() => [...document.querySelectorAll<HTMLElement>('main button, main select, main a.button')]
      .filter((one) => one.offsetParent !== null && one.getBoundingClientRect().height < 43.5).map((one) => one.outerHTML.slice(0, 120)))
    expect(small, 'touch targets').toEqual([])
  })
})
