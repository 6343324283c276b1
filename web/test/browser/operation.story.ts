// 管理, 監査ログ, 稼働状況, 保存期間と消去.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { look } from './looks'
import { openOffice, type Office } from './office'

let office: Office
let page: Page

beforeAll(async () => {
  office = await openOffice()
  await office.admin.ask('POST', '/v1/meetings', { title: '定例会' })
  page = await office.browse(office.admin)
})
afterAll(async () => {
  expect(office.strays).toEqual([])
  await office.close()
})

test('the overview says that nothing needs a look, and leads everywhere', async () => {
  await page.goto(`${office.root}/admin`)
  await page.getByText('確認が必要なことはありません。').waitFor()
  expect(await look(page, 'admin')).toEqual([])
  await page.getByRole('main').getByRole('link', { name: /^監査ログ いつ/ }).click()
  await page.getByRole('heading', { name: '監査ログ' }).waitFor()
})

test('the log is found by kind, the newest first, and verified', async () => {
  await page.getByLabel('操作', { exact: true }).selectOption({ label: '会議' })
  await page.getByRole('button', { name: '絞り込む' }).click()
  await page.getByText('meeting.create').first().waitFor()
  await page.getByText('session.begin').first().waitFor({ state: 'detached' })
  expect(await look(page, 'admin-audit')).toEqual([])
  await page.getByRole('button', { name: '改ざんがないか検証' }).click()
  await page.getByRole('dialog').getByRole('button', { name: '改ざんがないか検証' }).click()
  await page.getByText('改ざんはありません').waitFor()
  expect(await look(page, 'admin-audit-verified')).toEqual([])
  await page.keyboard.press('Escape')
})

test('what is right and what needs a look is told with what to do', async () => {
  await page.goto(`${office.root}/admin/health`)
  await page.getByText('正常に動いています').waitFor()
  await page.getByText('まだありません').waitFor()
  expect(await look(page, 'admin-health')).toEqual([])
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'ファイルに保存' }).click()])
  expect(file.suggestedFilename()).toMatch(/^gijiroku-\d{4}-\d\d-\d\d\.json$/)
})

test('what will be erased is seen before, and can be held', async () => {
  const [meeting] = await office.admin.ask<{ id: string }[]>('GET', '/v1/meetings')
  await office.admin.ask('PATCH', `/v1/meetings/${meeting?.id}`, { minutes_until: Date.now() + 3 * 86_400_000 })
  await page.goto(`${office.root}/admin/retention`)
  await page.getByRole('rowheader', { name: '定例会' }).waitFor()
  expect(await look(page, 'admin-retention')).toEqual([])
  await page.getByRole('button', { name: '「定例会」を法的保留にする' }).click()
  await page.getByRole('dialog').getByRole('button', { name: '法的保留にする' }).click()
  await page.getByText('7日以内に消去されるものはありません。').waitFor()
})

test('an auditor reads the log and finds no way to change people', async () => {
  const auditor = await office.browse(await office.person('kansa', 'auditor'))
  await auditor.goto(`${office.root}/admin/audit`)
  await auditor.getByText('session.begin').first().waitFor()
  expect(await auditor.getByRole('link', { name: '利用者', exact: true }).count()).toBe(0)
  await auditor.goto(`${office.root}/admin/users`)
  await auditor.getByText('ページが見つかりません').first().waitFor()
  await auditor.context().close()
})
