// 単語登録, テンプレート, プロフィール, ヘルプ.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { look } from './looks'
import { openOffice, type Office } from './office'

let office: Office
let page: Page

beforeAll(async () => {
  office = await openOffice()
  page = await office.browse(office.admin)
})
afterAll(async () => {
  expect(office.strays).toEqual([])
  await office.close()
})

test('a group is made, and words come by a file: tried first, duplicates told, then kept', async () => {
  await page.goto(`${office.root}/words`)
  await page.getByText('単語グループがありません').waitFor()
  expect(await look(page, 'words-none')).toEqual([])
  await page.getByRole('button', { name: 'グループを追加' }).first().click()
  await page.getByLabel(/^グループ名/).fill('議員の氏名')
  await page.getByRole('button', { name: '保存' }).click()
  await page.getByText('このグループに単語はありません').waitFor()
  await page.getByRole('button', { name: 'CSVで取り込む' }).click()
  const dialog = page.getByRole('dialog')
  const list = '表記,よみ,種別,置換元,メモ,有効開始日,有効終了日\r\n髙橋,たかはし,人名,高橋,,,\r\n齋藤,さいとう,人名,斉藤,,,\r\n齋藤,さいとう,人名,斎藤,,,\r\n'
  await dialog.getByLabel('CSVファイル').setInputFiles({ name: 'words.csv', mimeType: 'text/csv', buffer: Buffer.from(list) })
  await dialog.getByRole('button', { name: '試しに読み込む' }).click()
  await dialog.getByText('重複している行').waitFor()
  expect(await look(page, 'words-import')).toEqual([])
  await dialog.getByRole('button', { name: 'この内容で取り込む' }).click()
  await page.getByRole('row', { name: /髙橋/ }).waitFor()
  expect(await look(page, 'words')).toEqual([])
})

test('a word is written anew, taken away, and brought back', async () => {
  await page.getByRole('button', { name: '「髙橋」を編集' }).click()
  await page.getByLabel('メモ').fill('第2区')
  expect(await look(page, 'words-edit')).toEqual([])
  await page.getByRole('button', { name: '保存' }).click()
  await page.getByText('「髙橋」を保存しました。').first().waitFor()
  await page.getByRole('button', { name: '「髙橋」を削除' }).click()
  await page.getByText('「髙橋」を削除しました。').first().waitFor()
  await page.getByRole('button', { name: '元に戻す' }).click()
  await page.getByRole('row', { name: /髙橋/ }).waitFor()
})

test('ten thousand words are in the list, a few rows of them in the document, and found while typing', async () => {
  const [group] = await office.admin.ask<{ id: string }[]>('GET', '/v1/word-groups')
  const entries = Array.from({ length: 10_000 }, (_, at) => ({ written: `用語${String(at).padStart(5, '0')}`, reading: 'ようご', kind: 'term' }))
  await office.admin.ask('PUT', `/v1/word-groups/${group?.id}/words`, { entries })
  await page.reload()
  await page.getByText('10000語中10000語').waitFor()
  const rows = page.getByRole('table', { name: '単語の一覧' }).getByRole('row')
  expect(await rows.count()).toBeLessThan(60)
  const begun = performance.now()
  await page.getByRole('searchbox').fill('09999')
  await page.getByText('10000語中1語').waitFor()
  expect(performance.now() - begun).toBeLessThan(1_000)
  await page.getByRole('searchbox').fill('')
  await page.getByRole('rowgroup').last().focus()
  await page.keyboard.press('End')
  await page.getByRole('row', { name: /用語09999/ }).waitFor()
})

test('a template has attendees, required fields and a deadline', async () => {
  await page.goto(`${office.root}/admin/templates`)
  await page.getByRole('button', { name: 'テンプレートを追加' }).click()
  await page.getByLabel(/^テンプレート名/).fill('定例会')
  await page.getByLabel(/^会議名/).fill('定例会 {年}年{月}月')
  await page.getByLabel('確定までの日数').fill('45')
  expect(await look(page, 'admin-templates-basic')).toEqual([])
  await page.getByRole('tab', { name: '出席者' }).click()
  await page.getByRole('button', { name: '出席者を追加' }).click()
  await page.getByLabel('役職').fill('会長')
  await page.getByLabel('氏名').fill('佐藤 花子')
  await page.getByRole('tab', { name: '見出し' }).click()
  await page.getByLabel('開催場所: 必須').check()
  expect(await look(page, 'admin-templates-header')).toEqual([])
  await page.getByRole('button', { name: '保存' }).click()
  await page.getByText('「定例会」を保存しました。').first().waitFor()
  await page.getByLabel('Wordファイルを登録').setInputFiles({ name: 'x.docx', mimeType: 'application/octet-stream', buffer: Buffer.from('no docx') })
  await page.getByRole('dialog').getByRole('alert').waitFor()
  expect(await look(page, 'admin-templates-word')).toEqual([])
  await page.getByRole('dialog').getByRole('button', { name: '閉じる' }).last().click()
  await page.getByRole('button', { name: '定例会', exact: true }).waitFor()
  expect(await look(page, 'admin-templates')).toEqual([])
  const [kept] = await office.admin.ask<{ template: { attendees: unknown[]; required: string[]; due_days: number } }[]>('GET', '/v1/templates')
  expect([kept?.template.attendees.length, kept?.template.required, kept?.template.due_days]).toEqual([1, ['place'], 45])
})

test('language and theme are chosen and kept; a token is shown once and revoked', async () => {
  await page.goto(`${office.root}/profile`)
  await page.getByLabel('表示言語').selectOption('en')
  await page.getByRole('heading', { name: 'Profile' }).waitFor()
  await page.reload()
  await page.getByRole('heading', { name: 'Profile' }).waitFor()
  expect(await look(page, 'profile-en')).toEqual([])
  await page.getByLabel('Language').selectOption('ja')
  await page.getByRole('radio', { name: '暗い' }).check()
  expect(await page.evaluate(() => document.documentElement.dataset['theme'])).toBe('dark')
  await page.getByRole('radio', { name: '端末に合わせる' }).check()
  await page.getByRole('button', { name: '鍵を作る' }).click()
  await page.getByLabel(/^用途/).fill('第1会議室の録音機')
  await page.getByRole('dialog').getByRole('button', { name: '鍵を作る' }).click()
  expect(await page.getByLabel(/^鍵（/).inputValue()).toMatch(/^gjr_/)
  await page.getByRole('dialog').getByRole('button', { name: '閉じる' }).last().click()
  expect(await look(page, 'profile')).toEqual([])
  await page.getByRole('button', { name: /を失効させる/ }).click()
  await page.getByRole('dialog').getByRole('button', { name: '失効させる' }).click()
  await page.getByText('接続用の鍵はありません。').waitFor()
})

test('a password that does not fit is refused before and by the server', async () => {
  await page.getByLabel(/^今のパスワード/).fill('ちがうことばです123')
  await page.getByLabel(/^新しいパスワード/).first().fill('あたらしいことば12345')
  await page.getByLabel(/^新しいパスワード（確認）/).fill('べつのことば1234567')
  await page.getByRole('button', { name: 'パスワードを変更' }).click()
  await page.getByText('2つのパスワードが違います。').waitFor()
  await page.getByLabel(/^新しいパスワード（確認）/).fill('あたらしいことば12345')
  await page.getByRole('button', { name: 'パスワードを変更' }).click()
  await page.getByText(/サポートセンターへ伝える番号: G-/).waitFor()
})

test('the help has the keys, a tour and answers', async () => {
  await page.goto(`${office.root}/help`)
  await page.getByRole('row', { name: /F2/ }).first().waitFor()
  expect(await look(page, 'help')).toEqual([])
})
