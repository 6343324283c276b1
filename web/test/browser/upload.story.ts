// A recording on its way when the line breaks, and when the browser is closed.
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openOffice, type Office } from './office'
import { nothingStrayed, sound } from './steps'

let office: Office
const file = join(tmpdir(), `gijiroku-recording-${process.pid}.wav`)
beforeAll(async () => {
  office = await openOffice()
  writeFileSync(file, sound(400))
})
afterAll(() => office.close())

type Uploads = { uploads: { bytes_stored: number; state: string }[] }
const stored = async () => (await office.admin.ask<Uploads>('GET', '/v1/uploads')).uploads.find((one) => one.state === 'receiving')?.bytes_stored ?? 0

test('an upload that is cut in the middle goes on by itself, and after a closed browser by choosing the same file', async () => {
  let page = await office.browse(office.admin)
  await page.goto(`${office.root}/new`)
  // The third piece of four never leaves.
  let pieces = 0
  await page.route('**/v1/uploads/*', (route) => (route.request().method() === 'PATCH' && ++pieces > 2 ? route.abort('connectionreset') : route.continue()))
  await page.locator('input[type=file]').setInputFiles(file)
  await page.getByRole('button', { name: '取り込む' }).click()
  await page.getByText('通信が途切れました').waitFor()
  const before = await stored()
  expect(before).toBeGreaterThanOrEqual(8 << 20)
  await page.context().close()

  page = await office.browse(office.admin)
  await page.goto(office.root)
  await page.getByText('取込中の録音').waitFor()
  await page.getByRole('link', { name: '続きを取り込む' }).click()
  const sent: number[] = []
  page.on('request', (request) => {
    const offset = request.headers()['upload-offset']
    if (request.method() === 'PATCH' && offset) sent.push(Number(offset))
  })
  await page.locator('input[type=file]').setInputFiles(file)
  await page.getByText('同じファイルを選ぶと').waitFor()
  // And the line breaks once more, for a moment.
  let broken = false
  await page.route('**/v1/uploads/*', (route) => {
    if (route.request().method() !== 'PATCH' || broken) return route.continue()
    broken = true
    return route.abort('connectionreset')
  })
  await page.getByRole('button', { name: '取り込む' }).click()
  await page.waitForURL(/\/meetings\//, { timeout: 30_000 })
  // The closing page's last try may bring a little more than was counted.
  expect(Math.min(...sent), 'nothing that had arrived was sent again').toBeGreaterThanOrEqual(before)
  nothingStrayed(office)
})
