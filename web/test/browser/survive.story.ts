// The server is killed while somebody edits.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openOffice, type Office } from './office'
import { beginEditing, caretAtEnd, onServer, openSample, saved } from './steps'

let office: Office
beforeAll(async () => { office = await openOffice() })
afterAll(() => office.close())

test('what is typed while the server is away is kept, also over a reload, and is on the server when it is back', async () => {
  const page = await office.browse(office.admin)
  const meeting = await openSample(page, office)
  await beginEditing(page)
  await caretAtEnd(page, 0)
  await page.keyboard.type('一つ目。')
  await saved(page)

  await office.kill()
  await page.keyboard.type('二つ目。')
  await page.getByText('この端末に保存中').waitFor({ timeout: 15_000 })
  await page.keyboard.type('三つ目。')
  await page.waitForFunction((id) => localStorage.getItem(`gijiroku.draft.${id}`)?.includes('三つ目。'), meeting)

  await office.restart()
  await saved(page)
  expect((await onServer(office.admin, meeting)).texts[0] ?? '').not.toBe('')
  const all = (await onServer(office.admin, meeting)).texts.join('')
  expect(all.match(/一つ目。二つ目。三つ目。/g), 'each once').toHaveLength(1)

  // Once more, and now the page is closed before the server is back.
  await office.kill()
  await page.keyboard.type('四つ目。')
  await page.waitForFunction((id) => localStorage.getItem(`gijiroku.draft.${id}`)?.includes('四つ目。'), meeting)
  await office.restart()
  await page.reload()
  await page.waitForSelector('.transcript .utterance')
  await page.waitForFunction(() => document.querySelector('.transcript')?.textContent?.includes('四つ目。'))
  await page.locator('.bar button', { hasText: '編集する' }).click({ timeout: 5_000 }).catch(() => {})
  await saved(page)
  expect((await onServer(office.admin, meeting)).texts.join('')).toContain('四つ目。')
})
