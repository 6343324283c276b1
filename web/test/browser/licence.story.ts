// A licence that is accepted, and the seats that it opens in a disaster.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { look } from './looks'
import { openOffice, program, type Office } from './office'

let office: Office
let page: Page
let licence = ''

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gijiroku-vendor-'))
  const [key, file] = [join(folder, 'vendor.key'), join(folder, 'office.licence')]
  const made = execFileSync(program, ['licence', 'keygen', '--to', key], { encoding: 'utf8' })
  const known = /公開鍵: (\S+)/.exec(made)?.[1] ?? ''
  const year = new Date().getFullYear()
  execFileSync(program, ['licence', 'issue', '--key', key, '--to', file, '--customer', '見本市', '--seq', '1', '--seats', '8',
    '--from', `${year - 1}-04-01`, '--until', `${year + 2}-03-31`, '--burst-x', '2', '--burst-days', '30'])
  licence = readFileSync(file, 'utf8')
  rmSync(folder, { recursive: true, force: true })
  office = await openOffice({ config: `[licence]\nextra_keys = ["${known}"]` })
  page = await office.browse(office.admin)
})
afterAll(async () => {
  expect(office.strays).toEqual([])
  await office.close()
})

test('a licence is looked at first, then installed, and its seats are there', async () => {
  await page.goto(`${office.root}/admin/licence`)
  await page.getByText('評価用（期限なし・全機能）').waitFor()
  await page.getByLabel('ライセンスファイル', { exact: true }).setInputFiles({ name: 'office.licence', mimeType: 'text/plain', buffer: Buffer.from(licence) })
  await page.getByText('見本市').first().waitFor()
  expect(await look(page, 'admin-licence-accepted')).toEqual([])
  expect((await office.admin.ask<{ kind: string }>('GET', '/v1/licence')).kind, 'looking changes nothing').toBe('evaluation')
  await page.getByRole('button', { name: 'このライセンスを登録' }).click()
  await expect.poll(async () => (await office.admin.ask<{ kind: string }>('GET', '/v1/licence')).kind).not.toBe('evaluation')
  await page.getByText('8席').first().waitFor()
  expect(await look(page, 'admin-licence-installed')).toEqual([])
  const [badge] = await office.admin.ask<{ seats: number }[]>('GET', '/v1/seats/badge')
  expect(badge?.seats).toBe(8)
})

test('in a disaster the licensed extra seats are opened with a reason, and closed again', async () => {
  await page.goto(`${office.root}/admin/seats`)
  await page.getByRole('button', { name: '増席を開く' }).click()
  await page.getByRole('dialog').getByLabel(/^理由/).fill('大雨の対策本部')
  await page.getByRole('dialog').getByRole('button', { name: '増席を開く' }).click()
  await page.getByRole('button', { name: '増席を閉じる' }).waitFor()
  const seats = async () => (await office.admin.ask<{ seats: number }[]>('GET', '/v1/seats/badge'))[0]?.seats
  await expect.poll(seats).toBe(16)
  expect(await look(page, 'admin-seats-burst')).toEqual([])
  await page.getByRole('button', { name: '増席を閉じる' }).click()
  const dialog = page.getByRole('dialog')
  const reason = dialog.getByLabel(/^理由/)
  if (await reason.count()) await reason.fill('水が引いた')
  await dialog.getByRole('button', { name: '増席を閉じる' }).click()
  await page.getByRole('button', { name: '増席を開く' }).waitFor()
  await expect.poll(seats).toBe(8)
})
