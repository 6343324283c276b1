// 利用者と部署: a list is brought, people are found, added, transferred, stopped.
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

test('a list of two people is tried first, then brought, and they are there', async () => {
  await page.goto(`${office.root}/admin/users`)
  await page.getByRole('button', { name: 'CSVで取り込む' }).click()
  const dialog = page.getByRole('dialog')
  const list = '利用者名,氏名,部署,役割,発令日,状態,会議室\r\nsato,佐藤 花子,総務課,職員,,在職,\r\nsuzuki,鈴木 一郎,税務課,部署管理者,,在職,\r\n'
  await dialog.getByLabel('CSVファイル').setInputFiles({ name: 'people.csv', mimeType: 'text/csv', buffer: Buffer.from(list) })

  await dialog.getByRole('button', { name: '試しに読み込む' }).click()
  await dialog.getByText('税務課').first().waitFor()
  expect(await look(page, 'admin-users-import-refused')).toEqual([])
  expect((await office.admin.ask<unknown[]>('GET', '/v1/users')).length).toBe(1)

  await dialog.getByLabel('ファイルにある新しい部署も作る').check()
  await dialog.getByRole('button', { name: '試しに読み込む' }).click()
  await dialog.getByText('追加 2人').waitFor()
  expect(await look(page, 'admin-users-import')).toEqual([])
  expect((await office.admin.ask<unknown[]>('GET', '/v1/users')).length).toBe(1)

  await dialog.getByRole('button', { name: 'この内容で取り込む' }).click()
  await page.getByRole('rowheader', { name: /佐藤 花子/ }).waitFor()
  await page.getByRole('searchbox').fill('税務 鈴木')
  expect(await page.getByRole('rowheader').allInnerTexts()).toEqual(['鈴木 一郎\nsuzuki'])
  await page.getByRole('searchbox').fill('')
  expect(await look(page, 'admin-users')).toEqual([])
})

test('a list in the character set of Windows is read, too', async () => {
  const exported = await fetch(`${office.server}/v1/users.csv?charset=cp932`, { headers: { cookie: office.admin.cookie } })
  const bytes = Buffer.from(await exported.arrayBuffer())
  expect(new TextDecoder('shift_jis').decode(bytes)).toContain('佐藤 花子')
  await page.getByRole('button', { name: 'CSVで取り込む' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('CSVファイル').setInputFiles({ name: 'people.csv', mimeType: 'text/csv', buffer: bytes })
  await dialog.getByRole('button', { name: '試しに読み込む' }).click()
  await dialog.getByText('追加 0人').waitFor()
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
})

test('a person is added and gets a link to set a password, shown once', async () => {
  await page.getByRole('button', { name: '利用者を追加' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel(/^氏名/).fill('田中 次郎')
  await dialog.getByLabel(/^利用者名/).fill('tanaka')
  await dialog.getByRole('button', { name: '追加', exact: true }).click()
  const link = await page.getByLabel('アドレス').inputValue()
  expect(link).toContain(`${office.root}/password#`)
  expect(await look(page, 'admin-users-link')).toEqual([])
  await page.getByRole('dialog').getByRole('button', { name: '閉じる' }).last().click()

  const nobody = await office.browse(null)
  await nobody.goto(link)
  await nobody.getByLabel(/^新しいパスワード/).first().waitFor()
  await nobody.context().close()
})

test('a transfer waits for its day and can be given up', async () => {
  await page.getByRole('button', { name: '佐藤 花子さんの操作' }).click()
  await page.getByRole('menuitem', { name: '異動を予約' }).click()
  await page.getByLabel(/^異動先/).selectOption({ label: '税務課' })
  await page.getByRole('dialog').getByRole('button', { name: '異動を予約' }).click()
  await page.getByText('異動を予約しました。').first().waitFor()
  await page.getByRole('tab', { name: '異動の予約' }).click()
  await page.getByRole('cell', { name: '税務課' }).waitFor()
  expect(await look(page, 'admin-users-transfers')).toEqual([])
  await page.getByRole('button', { name: /予約を取消/ }).click()
  await page.getByText('予約された異動はありません。').waitFor()
})

test('somebody who left can no longer sign in, and the keyboard alone does it', async () => {
  await page.getByRole('tab', { name: '利用者', exact: true }).click()
  await page.getByRole('button', { name: '鈴木 一郎さんの操作' }).press('Enter')
  for (let step = 0; step < 3; step++) await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog', { name: '利用の停止' })
  await dialog.getByRole('button', { name: '利用を停止' }).press('Enter')
  await page.getByText('利用を停止しました。').first().waitFor()
  const users = await office.admin.ask<{ login: string; disabled_at: number | null }[]>('GET', '/v1/users')
  expect(users.find((one) => one.login === 'suzuki')?.disabled_at).toBeGreaterThan(0)
})

test('departments are added under others and closed', async () => {
  await page.goto(`${office.root}/admin/departments`)
  await page.getByRole('button', { name: '部署を追加' }).click()
  await page.getByLabel(/^部署名/).fill('総務課 文書係')
  await page.getByLabel('上位の部署').selectOption({ label: '総務課' })
  await page.getByRole('button', { name: '保存' }).click()
  await page.getByRole('rowheader', { name: '総務課 文書係' }).waitFor()
  expect(await look(page, 'admin-departments')).toEqual([])
})
