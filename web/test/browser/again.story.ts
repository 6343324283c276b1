// 選択した範囲をもう一度認識: what is heard differently stands beside the edits, and nothing is overwritten.
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { look } from './looks'
import { openOffice, repository, type Office } from './office'
import { beginEditing, caretAtEnd, nothingStrayed, onServer, saved } from './steps'

/** A recogniser on a machine that has other work, too. */
const RECOGNISED_MS = 100_000
let office: Office
beforeAll(async () => { office = await openOffice() })
afterAll(() => office.close())

test('a selection is recognised again; the result is offered, taken over or left', async () => {
  const page = await office.browse(office.admin)
  await page.goto(`${office.root}/new`)
  await page.locator('input[type=file]').setInputFiles(join(repository, 'tests/fixtures/audio/opus_48k.ogg'))
  await page.getByLabel('会議名').fill('定例会議')
  await page.getByRole('button', { name: '取り込む' }).click()
  await page.waitForURL(/\/meetings\//)
  const meeting = new URL(page.url()).pathname.split('/').at(-1) ?? ''
  await page.waitForSelector('.transcript .utterance', { timeout: RECOGNISED_MS })

  await beginEditing(page)
  await caretAtEnd(page, 0)
  await page.keyboard.type('手で直した文です。')
  await saved(page)
  expect(await page.getByRole('toolbar', { name: '選択した範囲' }).count(), 'without a selection there is no bar').toBe(0)
  await page.keyboard.press('Shift+Home')
  await page.getByRole('toolbar', { name: '選択した範囲' }).waitFor()
  expect(await look(page, 'meeting-selection')).toEqual([])
  await page.getByRole('button', { name: '選択した範囲をもう一度認識' }).click()
  await page.getByText('選択した範囲の再認識を始めました').first().waitFor()
  type Job = { state: string; stretch: { from_ms: number; until_ms: number } | null }
  const jobs = () => office.admin.ask<Job[]>('GET', `/v1/meetings/${meeting}/jobs`)
  expect((await jobs())[0]?.stretch?.until_ms).toBeGreaterThan(0)
  await page.getByText(/再認識で違う聞き取りが \d+ か所あります/).waitFor({ timeout: RECOGNISED_MS })
  expect((await onServer(office.admin, meeting)).texts[0], 'nothing is overwritten').toContain('手で直した文です。')

  await page.getByRole('button', { name: '見比べる' }).click()
  const dialog = page.getByRole('dialog', { name: '再認識の結果' })
  await dialog.getByText('編集済みの箇所').first().waitFor()
  expect(await look(page, 'meeting-offers')).toEqual([])
  await dialog.getByRole('button', { name: '取り入れる' }).first().click()
  await expect.poll(async () => (await onServer(office.admin, meeting)).texts.join('')).not.toContain('手で直した文です。')
  expect((await onServer(office.admin, meeting)).texts.join('').trim(), 'what was heard stands there instead').not.toBe('')
  nothingStrayed(office)
})
