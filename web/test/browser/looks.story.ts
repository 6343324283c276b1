// Every page in both themes and at both sizes: no violation of WCAG AA, nothing wider than a narrow screen, a picture each.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { look } from './looks'
import { openOffice, type Office } from './office'
import { pages } from './pages'
import { nothingStrayed } from './steps'

let office: Office
let page: Page
beforeAll(async () => {
  office = await openOffice()
  page = await office.browse(office.admin)
})
afterAll(() => office.close())

test.each(pages)('$name can be used by everybody', async (one) => {
  await page.setViewportSize({ width: 1440, height: 900 })
  await one.open(page, office)
  expect(await look(page, one.name)).toEqual([])
  await page.setViewportSize({ width: 320, height: 640 })
  const wide = await page.evaluate(() => {
    if (document.documentElement.scrollWidth <= document.documentElement.clientWidth) return []
    return [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > 320.5).map((one) => `${one.tagName} ${one.className} ${Math.round(one.getBoundingClientRect().left)}-${Math.round(one.getBoundingClientRect().right)} of ${window.innerWidth}`)
  })
  expect(wide, 'reflows at 320 pixels').toEqual([])
  nothingStrayed(office)
})

test('nobody is shown a page before they have signed in', async () => {
  const stranger = await office.browse(null)
  await stranger.goto(`${office.root}/admin/users`)
  await stranger.getByRole('heading', { name: 'サインイン' }).waitFor()
  expect(await look(stranger, 'sign-in')).toEqual([])
  await stranger.getByLabel('利用者名').fill('admin')
  await stranger.getByLabel('パスワード', { exact: true }).fill('ちがうことば')
  await stranger.getByRole('button', { name: 'サインイン' }).click()
  await stranger.getByText('G-1002').waitFor()
})
