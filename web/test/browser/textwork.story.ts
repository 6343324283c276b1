// Work on the text: proposals, find and replace, speakers, decisions, what was done and what differs.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { openOffice, type Office } from './office'
import { beginEditing, caretAtEnd, nothingStrayed, onServer, openSample, saved, utterance } from './steps'

let office: Office
let page: Page
let meeting: string
beforeAll(async () => {
  office = await openOffice()
  page = await office.browse(office.admin)
  meeting = await openSample(page, office)
  await beginEditing(page)
})
afterAll(() => office.close())

test('ケバ取り is proposed, taken as a whole, and undone as one step', async () => {
  await caretAtEnd(page, 0)
  await page.keyboard.type('えーと、資料を、資料をご覧ください。')
  await saved(page)
  const before = await utterance(page, 0).textContent()
  await page.getByRole('tab', { name: '整文' }).click()
  await page.getByRole('button', { name: '提案を見る' }).click()
  await page.getByRole('button', { name: 'すべて反映' }).click()
  await page.waitForFunction(() => !document.querySelector('.transcript .utterance .text')?.textContent?.includes('えーと'))
  await caretAtEnd(page, 1)
  await page.keyboard.press('Control+KeyZ')
  await page.waitForFunction((wanted) => document.querySelector('.transcript .utterance .text')?.textContent === wanted, before)
})

test('a word is replaced everywhere after its count was shown, and can be registered', async () => {
  await page.keyboard.press('Control+KeyH')
  await page.getByLabel('検索する言葉').fill('タブレット端末')
  await page.getByText(/件中 1件目/).waitFor()
  await page.getByLabel('置換後の言葉').fill('可搬型端末')
  await page.getByRole('button', { name: /^すべて置換（[1-9]/ }).click()
  await page.getByText(/「タブレット端末」から「可搬型端末」に置き換えました/).waitFor()
  const { texts } = await onServer(office.admin, meeting)
  expect(texts.join('')).toContain('可搬型端末')
  expect(texts.join('')).not.toContain('タブレット端末')
  await page.getByRole('button', { name: 'この置換を単語登録' }).click()
  await page.getByRole('dialog', { name: '単語登録' }).getByRole('button', { name: '登録' }).click()
  await page.getByText('「可搬型端末」を登録しました').first().waitFor()
})

test('a speaker is renamed once, everywhere, and two are merged', async () => {
  await page.getByRole('tab', { name: '話者' }).click()
  await page.getByRole('button', { name: '鈴木の操作' }).click()
  await page.getByRole('menuitem', { name: '名前を変える' }).click()
  await page.getByLabel(/表示名/).fill('鈴木 一郎')
  await page.getByRole('dialog').getByRole('button', { name: '保存' }).click()
  await page.waitForFunction(() => [...document.querySelectorAll('.transcript .who')].filter((one) => one.textContent === '鈴木 一郎').length === 11)
  await page.getByRole('button', { name: '佐藤の操作' }).click()
  await page.getByRole('menuitem', { name: 'ほかの話者にまとめる' }).click()
  await page.getByRole('dialog').getByRole('button', { name: '鈴木 一郎' }).click()
  await page.waitForFunction(() => [...document.querySelectorAll('.transcript .who')].filter((one) => one.textContent === '鈴木 一郎').length === 20)
})

test('what was done is listed, and compared with now', async () => {
  await saved(page)
  await page.getByRole('tab', { name: '履歴' }).click()
  await page.getByRole('button', { name: '今と比較' }).first().click()
  await page.getByRole('dialog').locator('ins', { hasText: '可搬型' }).first().waitFor()
  await page.keyboard.press('Escape')
  nothingStrayed(office)
})
