// All seats are taken: who comes is told, waits, and gets the seat that is given back.
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { uuid } from '../../src/lib/uuid'
import { openOffice, type Office, type Person } from './office'
import { beginEditing, caretAtEnd, nothingStrayed, openSample, saved, utterance } from './steps'

let office: Office
beforeAll(async () => { office = await openOffice() })
afterAll(() => office.close())

type Lease = { lease: string; token: string }

async function sit(person: Person, meeting: string): Promise<{ give: () => Promise<void> }> {
  const device = randomUUID()
  const lease = await person.ask<Lease>('POST', '/v1/seats', { request_id: uuid(), device: { id: device, kind: 'browser', name: 'x' }, use: { edit: meeting }, mode: 'wait' })
  return { give: async () => { await person.ask('DELETE', `/v1/seats/${lease.lease}`, { token: lease.token, device }) } }
}

test('a full house is told in words, the place in the line is shown, and the seat comes by itself', async () => {
  const page = await office.browse(office.admin)
  const meeting = await openSample(page, office)
  const others = await Promise.all(['a1', 'a2', 'a3', 'a4', 'a5'].map((login) => office.person(login)))
  const seats = []
  for (const person of others) seats.push(await sit(person, meeting))

  await page.locator('.bar button', { hasText: '編集する' }).click()
  await page.getByText(/満席です/).first().waitFor()
  expect(await page.locator('.ProseMirror').getAttribute('contenteditable')).toBe('false')
  // Reading and listening need no seat.
  await page.keyboard.press('F2')
  await page.getByRole('button', { name: '一時停止' }).waitFor()
  await page.keyboard.press('F2')

  await seats[0]?.give()
  await page.waitForSelector('.ProseMirror[contenteditable="true"]', { timeout: 20_000 })
  await caretAtEnd(page, 0)
  await page.keyboard.type('席が空きました。')
  await saved(page)
  nothingStrayed(office)
})

test('a seat that is taken back by force makes the page read-only, keeps what was typed, and can be asked for again', async () => {
  const page = await office.browse(office.admin)
  await openSample(page, office)
  const map = await office.admin.ask<{ leases: { lease: string }[] }>('GET', '/v1/seats')
  for (const { lease } of map.leases) await office.admin.ask('POST', `/v1/seats/${lease}/revoke`, { reason: '試験のため' })
  await beginEditing(page)
  await caretAtEnd(page, 1)
  const now = await office.admin.ask<{ leases: { lease: string }[] }>('GET', '/v1/seats')
  await page.keyboard.type('消えない言葉。')
  await office.admin.ask('POST', `/v1/seats/${now.leases[0]?.lease}/revoke`, { reason: '試験のため' })
  await page.waitForSelector('.ProseMirror[contenteditable="false"]')
  await page.getByText('下書きとして残っています').waitFor()
  expect(await utterance(page, 1).textContent()).toContain('消えない言葉。')
  await page.getByRole('button', { name: 'もう一度席を取る' }).click()
  await page.waitForSelector('.ProseMirror[contenteditable="true"]')
  await saved(page)
  expect(await utterance(page, 1).textContent()).toContain('消えない言葉。')
  nothingStrayed(office)
})
