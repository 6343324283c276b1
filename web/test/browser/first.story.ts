// From the first start to the Word file: what an office worker who has never seen the product does.
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { look } from './looks'
import { openOffice, PASSWORD, repository, type Office } from './office'
import { beginEditing, caretAtEnd, nothingStrayed, saved, utterance, wordText } from './steps'

let office: Office
beforeAll(async () => { office = await openOffice({ fresh: true }) })
afterAll(() => office.close())

test('a recording becomes a Word file, from the first start on, without a manual', async () => {
  const page = await office.browse(null)
  await page.goto(`${office.root}/setup#${office.secret}`)
  expect(await look(page, 'setup')).toEqual([])
  await page.getByLabel('部署名').fill('総務課')
  await page.getByLabel('氏名').fill('管理 花子')
  await page.getByLabel('利用者名').fill('admin')
  await page.getByLabel('パスワード', { exact: true }).or(page.getByLabel(/^パスワード必須/)).first().fill(PASSWORD)
  await page.getByLabel(/新しいパスワード（確認）/).fill(PASSWORD)
  await page.getByRole('button', { name: '登録して始める' }).click()
  await page.getByRole('heading', { name: '会議一覧' }).waitFor()
  await page.getByText('見本').first().waitFor()

  await page.getByRole('link', { name: '新しい会議' }).click()
  await page.locator('input[type=file]').setInputFiles(join(repository, 'tests/fixtures/audio/opus_48k.ogg'))
  await page.getByLabel('会議名').fill('定例会議')
  await page.getByRole('button', { name: '取り込む' }).click()
  await page.waitForURL(/\/meetings\//)
  // The recogniser is the real one, and so is its time.
  await page.waitForSelector('.transcript .utterance', { timeout: 150_000 })

  await page.locator('.waveform').waitFor()
  await beginEditing(page)
  await caretAtEnd(page, 0)
  await page.keyboard.type('以上が冒頭の発言です。')
  await saved(page)
  expect(await utterance(page, 0).textContent()).toContain('以上が冒頭の発言です。')

  await page.getByRole('button', { name: '話者を追加' }).click()
  await page.getByLabel(/表示名/).fill('山田 太郎')
  await page.getByRole('dialog').getByRole('button', { name: '保存' }).click()
  // Speakers that were told apart by their voices have the first numbers.
  const number = await page.locator('.assign', { hasText: '山田 太郎' }).locator('.digit').textContent()
  await caretAtEnd(page, 0)
  await page.keyboard.press(`Alt+Digit${number}`)
  await page.waitForFunction(() => document.querySelector('.transcript .who')?.textContent === '山田 太郎')
  await saved(page)

  await page.locator('.bar button', { hasText: '出力' }).click()
  await page.getByRole('dialog').getByText('以上が冒頭の発言です。').waitFor()
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'ダウンロード' }).click()])
  expect(download.suggestedFilename()).toMatch(/定例会議.*\.docx$/)
  const text = wordText(await download.path())
  expect(text).toContain('以上が冒頭の発言です。')
  expect(text).toContain('山田 太郎')
  nothingStrayed(office)
}, 200_000)
