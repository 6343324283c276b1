// A meeting that is recorded by the browser: captions, corrections, a lost server, a closed page, and the recording has
// everything.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { look } from './looks'
import { loudness, shifts, speakingRoom, type Room } from './microphone'
import { openOffice, type Office } from './office'
import { invite } from './steps'

/** Tells by how much the page is wider than a narrow screen. */
async function overflow(of: Page): Promise<number> {
  await of.setViewportSize({ width: 320, height: 640 })
  const wide = await of.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  await of.setViewportSize({ width: 1440, height: 900 })
  return wide
}

/** A recogniser on a machine that has other work, too. */
const CAPTION_MS = 90_000

let room: Room
let office: Office
let page: Page
let live = ''
let code = ''
/** How long the recording was, as far as the person was told, before the page was closed. */
let unbrokenMs = 0

beforeAll(async () => {
  room = speakingRoom()
  office = await openOffice({ flags: room.flags })
  page = await office.browse(office.admin)
})
afterAll(async () => {
  await office.close()
  room.close()
})

const standing = (word: string | RegExp, timeout = 30_000) => page.locator('.state .word', { hasText: word }).waitFor({ timeout })
const clocked = async () => {
  const parts = (await page.locator('.state .time').innerText()).split(':').map(Number)
  return parts.reduce((sum, part) => sum * 60 + part, 0) * 1000
}

test('a microphone is tried, the recording begins, and captions follow', async () => {
  await page.goto(`${office.root}/live`)
  await page.getByRole('button', { name: 'マイクを試す' }).click()
  await page.getByText('適正').waitFor({ timeout: 30_000 })
  await page.getByLabel(/^会議名/).fill('定例会議')
  await page.getByLabel(/^会議室/).fill('第1会議室')
  await page.getByText('議題・単語グループ').click()
  await page.getByLabel('議題の一覧').fill('開会\n議案第1号\n閉会')
  expect(await look(page, 'live-start')).toEqual([])
  await page.getByRole('button', { name: '録音開始' }).click()
  await standing('録音中')
  live = new URL(page.url()).pathname.split('/').at(-1) ?? ''
  await page.locator('.words .captions p').first().waitFor({ timeout: CAPTION_MS })
  expect(await look(page, 'live')).toEqual([])
  expect(await overflow(page)).toBeLessThanOrEqual(0)
})

test('marks and the agenda are set by a button or a key, and stand at their places', async () => {
  await page.getByRole('button', { name: '決定' }).click()
  await page.getByText(/「決定」の印をつけました/).first().waitFor()
  await page.keyboard.press('Alt+Digit4')
  await page.getByText(/「重要」の印をつけました/).first().waitFor()
  await page.keyboard.press('Alt+KeyN')
  await page.getByRole('button', { name: '開会', pressed: true }).waitFor()
})

test('the hall reads captions without an account, by a link with a QR code', async () => {
  await page.getByRole('button', { name: /字幕の案内/ }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('img', { name: /QRコード/ }).waitFor()
  code = new URL(await dialog.getByRole('link').innerText()).pathname.split('/').at(-1) ?? ''
  expect(await look(page, 'live-link')).toEqual([])
  await dialog.getByRole('button', { name: '閉じる' }).click()

  const hall = await office.browse(null)
  await hall.goto(`${office.root}/captions/${code}?view=hall`)
  await hall.locator('.rows p').first().waitFor({ timeout: CAPTION_MS })
  expect(await look(hall, 'captions-hall')).toEqual([])
  for (const text of await hall.locator('.rows p').allInnerTexts()) expect([...text].length).toBeLessThanOrEqual(40)
  const fits = await hall.evaluate(() => {
    const rows = [...document.querySelectorAll('.rows p')]
    return rows.every((row) => row.scrollWidth <= row.clientWidth + 1 && row.getBoundingClientRect().bottom <= innerHeight)
  })
  expect(fits, 'no row is cut off').toBe(true)
  await hall.context().close()
})

test('a helper corrects a line, and every screen shows it in its place', async () => {
  const own = await office.browse(null)
  await own.goto(`${office.root}/captions/${code}`)
  const helper = await office.browse(office.admin)
  await helper.goto(`${office.root}/correct/${live}`)
  const line = helper.locator('li .text').last()
  await line.waitFor({ timeout: CAPTION_MS })
  const before = await line.innerText()
  await line.click()
  const input = helper.locator('li input')
  await input.fill('ここを修正しました。')
  expect(await look(helper, 'correct')).toEqual([])
  expect(await overflow(helper)).toBeLessThanOrEqual(0)
  await input.press('Enter')
  await helper.getByText('修正済み').first().waitFor()
  await own.locator('.captions p', { hasText: 'ここを修正しました。' }).waitFor()
  expect(await own.locator('.captions p', { hasText: before }).count(), before).toBe(0)
  await page.locator('.words p', { hasText: 'ここを修正しました。' }).waitFor()

  await helper.getByRole('button', { name: '（拍手）' }).click()
  await own.locator('.captions p', { hasText: '（拍手）' }).waitFor()
  expect(await look(own, 'captions-own')).toEqual([])
  expect(await overflow(own)).toBeLessThanOrEqual(0)
  await own.getByRole('button', { name: 'とめる' }).click()
  await own.getByRole('button', { name: '最新の字幕へ' }).click()
  await own.context().close()
  await helper.context().close()
})

test('helpers see who else corrects, and which sentence is under whose hands', async () => {
  const colleague = await office.person('suzuki')
  const { meeting } = await office.admin.ask<{ meeting: string }>('GET', `/v1/live/${live}`)
  await invite(office, meeting, [colleague])
  const [one, other] = [await office.browse(office.admin), await office.browse(colleague)]
  for (const helper of [one, other]) await helper.goto(`${office.root}/correct/${live}`)
  await one.getByText('ほかに修正している人: suzuki さん').waitFor()
  await other.getByText('ほかに修正している人: 管理 花子').waitFor()
  await other.locator('li .text').first().click()
  await one.getByText('suzuki さんさんが修正中').waitFor()
  expect(await look(one, 'correct-together')).toEqual([])
  await other.locator('li input').press('Escape')
  await one.getByText('suzuki さんさんが修正中').waitFor({ state: 'detached' })
  await other.context().close()
  await one.getByText('ほかに修正している人').waitFor({ state: 'detached' })
  await one.context().close()
})

test('a pause is a pause at the server, too', async () => {
  // Enough stretches of sound to compare with what the microphone was given.
  await expect.poll(clocked, { timeout: 40_000 }).toBeGreaterThanOrEqual(24_000)
  await page.getByRole('button', { name: '一時停止' }).click()
  await standing('一時停止中')
  const at = await clocked()
  await page.waitForTimeout(2_500)
  expect(await clocked()).toBeLessThanOrEqual(at + 1_000)
  expect((await office.admin.ask<{ status: { phase: string } }>('GET', `/v1/live/${live}`)).status.phase).toBe('paused')
  unbrokenMs = at
  await page.getByRole('button', { name: '録音を再開' }).click()
  await standing(/^録音中$/)
})

test('a server that is killed costs nothing: the sound stays here and goes when it is back', async () => {
  await office.kill()
  await standing('録音中(通信断・端末に保存中)')
  await page.getByText('G-1311').waitFor()
  const at = await clocked()
  await page.waitForTimeout(4_000)
  expect(await clocked(), 'the recording goes on').toBeGreaterThan(at)
  expect(await look(page, 'live-offline')).toEqual([])
  await office.restart()
  await standing(/^録音中$/, 60_000)
  await expect.poll(async () => (await office.admin.ask<{ recorded_ms: number }>('GET', `/v1/live/${live}`)).recorded_ms, { timeout: 30_000 }).toBeGreaterThan(at)
})

test('a page that is closed while it records is offered to go on, and loses nothing', async () => {
  page.on('dialog', (dialog) => void dialog.accept())
  await office.kill()
  await standing('録音中(通信断・端末に保存中)')
  await page.waitForTimeout(2_000)
  const at = await clocked()
  // The browser is gone without a word.
  const again = await page.context().newPage()
  await page.close({ runBeforeUnload: false })
  page = again
  await office.restart()
  await page.goto(`${office.root}/live/${live}`)
  await page.getByText('録音が途中で止まっています').waitFor()
  await page.getByRole('button', { name: '録音を続ける' }).click()
  await standing(/^録音中$/)
  expect(await clocked()).toBeGreaterThanOrEqual(at - 1_000)
  await page.waitForTimeout(3_000)
})

test('the end leads to the meeting, and the recording has everything', async () => {
  const at = await clocked()
  await page.getByRole('button', { name: '終了', exact: true }).click()
  await page.getByRole('dialog').getByRole('button', { name: '終了' }).click()
  await page.waitForURL(/\/meetings\//, { timeout: 30_000 })
  const meeting = new URL(page.url()).pathname.split('/').at(-1)
  type Kept = { id: string }
  const recordings = await expect.poll(() => office.admin.ask<Kept[]>('GET', `/v1/meetings/${meeting}/recordings`), { timeout: 60_000 }).toHaveLength(1)
    .then(() => office.admin.ask<Kept[]>('GET', `/v1/meetings/${meeting}/recordings`))
  const [kept] = recordings
  const answer = await fetch(`${office.server}/v1/recordings/${kept?.id}/audio`, { headers: { cookie: office.admin.cookie } })
  const sound = Buffer.from(await answer.arrayBuffer())
  expect(loudness(sound).ms).toBeGreaterThanOrEqual(at)
  const found = shifts(sound, room.file, unbrokenMs)
  expect(found.length).toBeGreaterThanOrEqual(3)
  // A lost frame is 100 ms; the clock of a pretended microphone on a busy machine was seen to wander by 30.
  for (const shift of found) expect(Math.abs(shift)).toBeLessThanOrEqual(50)
  expect(await page.evaluate(async () => (await indexedDB.databases()).length)).toBeGreaterThan(0)
  expect(office.strays).toEqual([])
})
