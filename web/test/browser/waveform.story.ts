// The picture of the sound: as wide as its bar at every width.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { openOffice, type Office } from './office'
import { nothingStrayed, openSample } from './steps'

let office: Office
beforeAll(async () => { office = await openOffice() })
afterAll(() => office.close())

/** How much of the bar the drawing takes, as a share. */
const share = (page: Page) => page.evaluate(() => {
  const [bar, drawn] = ['.waveform', '.waveform path.ahead'].map((name) => document.querySelector(name)?.getBoundingClientRect())
  return (drawn?.width ?? 0) / (bar?.width ?? 1)
})

test('the drawing reaches from one end of its bar to the other, also right after the window has changed', async () => {
  const page = await office.browse(office.admin)
  await openSample(page, office)
  await page.locator('.waveform path.ahead').waitFor()
  for (const width of [1024, 1440, 700, 1280]) {
    await page.setViewportSize({ width, height: 800 })
    expect(Math.abs((await share(page)) - 1), `${width} pixels`).toBeLessThan(0.01)
  }
  nothingStrayed(office)
})
