// People who only read: what they may not do is not shown, or it is said why.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { look } from './looks'
import { openOffice, type Office } from './office'
import { nothingStrayed } from './steps'

let office: Office
let meeting = ''
beforeAll(async () => {
  office = await openOffice()
  meeting = (await office.admin.ask<{ id: string; sample: boolean }[]>('GET', '/v1/meetings')).find((one) => one.sample)?.id ?? ''
  const group = await office.admin.ask<{ id: string }>('POST', '/v1/word-groups', { name: '全庁の用語' })
  await office.admin.ask('POST', `/v1/word-groups/${group.id}/words`, { written: '可搬型端末' })
})
afterAll(() => office.close())

test('a colleague who may only read finds no controls of editing, and is told why', async () => {
  const page = await office.browse(await office.person('yamada'))
  await page.goto(`${office.root}/meetings/${meeting}`)
  await page.getByText('閲覧のみ（編集の権限がありません）').waitFor()
  expect(await page.getByRole('button', { name: '編集する' }).count()).toBe(0)
  await page.getByRole('button', { name: 'その他の操作' }).click()
  await page.getByRole('menuitem', { name: '会議情報' }).waitFor()
  for (const name of ['単語登録', '今すぐ保存', 'もう一度認識']) expect(await page.getByRole('menuitem', { name }).count(), name).toBe(0)
  await page.keyboard.press('Escape')
  await page.locator('.transcript .utterance .text').first().dblclick()
  await page.getByRole('toolbar', { name: '選択した範囲' }).waitFor()
  expect(await page.getByRole('toolbar', { name: '選択した範囲' }).getByRole('button').allInnerTexts()).toEqual(['再生'])
  await page.getByRole('button', { name: '出力' }).click()
  await page.getByRole('radio', { name: '公開用' }).check()
  await page.getByText('一覧を変えられるのは、この会議を編集できる人です。').waitFor()
  expect(await look(page, 'meeting-readonly')).toEqual([])
  await page.keyboard.press('Escape')

  await page.goto(`${office.root}/words`)
  await page.getByText('このグループは閲覧のみです').waitFor()
  await page.getByRole('row', { name: /可搬型端末/ }).waitFor()
  for (const name of [/追加/, /編集/, /削除/]) expect(await page.getByRole('main').getByRole('button', { name }).count(), String(name)).toBe(0)
  expect(await look(page, 'words-readonly')).toEqual([])
  await page.context().close()
})

test('an auditor is led to no recording', async () => {
  const page = await office.browse(await office.person('kansa', 'auditor'))
  await page.goto(office.root)
  await page.getByRole('heading', { name: '会議一覧' }).waitFor()
  expect(await page.getByRole('link', { name: '新しい会議' }).count()).toBe(0)
  expect(await page.getByRole('link', { name: '録音', exact: true }).count()).toBe(0)
  await page.goto(`${office.root}/new`)
  await page.getByText('ページが見つかりません').first().waitFor()
  nothingStrayed(office)
})
