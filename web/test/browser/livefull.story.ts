// All seats are taken when a recording begins: it begins all the same, and says what waits.
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { uuid } from '../../src/lib/uuid'
import { speakingRoom, type Room } from './microphone'
import { openOffice, type Office } from './office'
import { nothingStrayed, openSample } from './steps'

let room: Room
let office: Office
beforeAll(async () => {
  room = speakingRoom()
  office = await openOffice({ flags: room.flags })
})
afterAll(async () => {
  await office.close()
  room.close()
})

test('without a free seat the sound is recorded, and the person is told that captions wait', async () => {
  const page = await office.browse(office.admin)
  const meeting = await openSample(page, office)
  for (const login of ['b1', 'b2', 'b3', 'b4', 'b5']) {
    const person = await office.person(login)
    await person.ask('POST', '/v1/seats', { request_id: uuid(), device: { id: randomUUID(), kind: 'browser', name: 'x' }, use: { edit: meeting }, mode: 'wait' })
  }
  await page.goto(`${office.root}/live`)
  await page.getByLabel(/^会議名/).fill('満席の日の会議')
  await page.getByRole('button', { name: '録音開始' }).click()
  await page.locator('.state .word', { hasText: /^録音中$/ }).waitFor()
  await page.getByText(/席が空いていないため字幕は出ません。録音は続きます。/).waitFor()
  const live = new URL(page.url()).pathname.split('/').at(-1)
  // Another page, and the recording goes on.
  await page.getByRole('link', { name: '単語登録' }).click()
  await page.getByRole('link', { name: /録音中/ }).waitFor()
  const stored = async () => (await office.admin.ask<{ recorded_ms: number; streams: { stored: number }[] }>('GET', `/v1/live/${live}`)).streams[0]?.stored ?? 0
  const before = await stored()
  await expect.poll(stored, { timeout: 10_000 }).toBeGreaterThan(before)
  nothingStrayed(office)
})
