// 消去証明書: a recording whose day has come is erased by the server itself, and the proof can be read and printed.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { look } from './looks'
import { openOffice, type Office } from './office'

let office: Office
beforeAll(async () => { office = await openOffice() })
afterAll(async () => {
  expect(office.strays).toEqual([])
  await office.close()
})

test('the proof of an erasure names the meeting, what went, and its line in the log', async () => {
  const sample = (await office.admin.ask<{ id: string; title: string; sample: boolean }[]>('GET', '/v1/meetings')).find((one) => one.sample)
  await office.admin.ask('PATCH', `/v1/meetings/${sample?.id}`, { audio_until: Date.now() - 1_000 })
  // What is due is erased when the server begins, and once an hour.
  await office.kill()
  await office.restart()
  await expect.poll(async () => (await office.admin.ask<{ erased_at: number | null }[]>('GET', '/v1/erasures')).filter((one) => one.erased_at).length, { timeout: 30_000 }).toBe(1)
  const page = await office.browse(office.admin)
  await page.goto(`${office.root}/admin/retention`)
  await page.getByRole('button', { name: `「${sample?.title}」の消去証明書` }).click()
  const dialog = page.getByRole('dialog', { name: `「${sample?.title}」の消去証明書` })
  await dialog.getByText(/sha256/i).first().waitFor()
  expect(await look(page, 'admin-retention-certificate')).toEqual([])
  await page.keyboard.press('Escape')
  await page.goto(`${office.root}/meetings/${sample?.id}`)
  await page.getByText('この会議には再生できる録音がありません。').waitFor()
})
