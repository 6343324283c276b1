// 整合性チェック and 公開用: what is written in two ways is shown where it stands; what a copy must not say is in none.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { look } from './looks'
import { openOffice, type Office } from './office'
import { beginEditing, caretAtEnd, nothingStrayed, onServer, openSample, saved, wordText } from './steps'

let office: Office
let page: Page
let meeting: string
beforeAll(async () => {
  office = await openOffice()
  page = await office.browse(office.admin)
  meeting = await openSample(page, office)
})
afterAll(() => office.close())

test('a name in two forms is found, opened, and made one by replacing', async () => {
  await beginEditing(page)
  await caretAtEnd(page, 0)
  await page.keyboard.type('渡辺委員と渡辺課長と渡邊主査です。')
  await saved(page)
  await page.getByRole('button', { name: 'その他の操作' }).click()
  await page.getByRole('menuitem', { name: '整合性チェック' }).click()
  await page.getByRole('heading', { name: '異体字の混在' }).waitFor()
  expect(await look(page, 'meeting-consistency')).toEqual([])
  await page.getByRole('button', { name: '渡邊', exact: true }).click()
  await page.getByRole('toolbar', { name: '選択した範囲' }).waitFor()
  await page.getByRole('button', { name: '「渡邊」を「渡辺」に置換' }).click()
  await page.getByRole('button', { name: /^すべて置換（1/ }).click()
  await page.getByText(/「渡邊」から「渡辺」に置き換えました/).waitFor()
  expect((await onServer(office.admin, meeting)).texts.join('')).not.toContain('渡邊')
})

test('what a published copy must not say is chosen beside its preview, and stands in no part of the file', async () => {
  await page.getByRole('button', { name: '出力' }).click()
  const dialog = page.getByRole('dialog', { name: '出力' })
  await dialog.getByRole('radio', { name: '公開用' }).check()
  await dialog.getByText('マスキング一覧').first().waitFor()
  await dialog.getByLabel('隠す言葉').fill('渡辺')
  await dialog.getByRole('button', { name: '一覧に加える' }).click()
  await dialog.getByRole('button', { name: '「渡辺」を一覧から外す' }).waitFor()
  await dialog.getByRole('button', { name: '「鈴木」を隠す' }).click()
  await dialog.getByRole('button', { name: '「鈴木」を一覧から外す' }).waitFor()
  const preview = dialog.locator('pre')
  await expect.poll(() => preview.innerText()).toContain('■■■委員')
  expect(await preview.innerText()).not.toMatch(/渡辺|鈴木/)
  expect(await look(page, 'export-public')).toEqual([])
  const [file] = await Promise.all([page.waitForEvent('download'), dialog.getByRole('link', { name: 'ダウンロード' }).click()])
  const text = wordText(await file.path())
  expect(text).toContain('■■■委員')
  expect(text).not.toMatch(/渡辺|鈴木/)
  const [list] = await Promise.all([page.waitForEvent('download'), dialog.getByRole('link', { name: '一覧をCSVで出力' }).click()])
  expect(list.suggestedFilename()).toContain('マスキング一覧')

  await dialog.getByRole('radio', { name: '原本（そのまま）' }).check()
  await expect.poll(() => preview.innerText(), { message: 'the original says everything' }).toContain('渡辺委員')
  nothingStrayed(office)
})
