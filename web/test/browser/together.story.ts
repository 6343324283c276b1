// Two people in one meeting at the same time.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openOffice, type Office } from './office'
import { beginEditing, caretAtEnd, invite, nothingStrayed, onServer, openSample, saved, utterance } from './steps'

let office: Office
beforeAll(async () => { office = await openOffice() })
afterAll(() => office.close())

test('two people edit one meeting: both see both, where the other stands, and nothing is lost in one place', async () => {
  const colleague = await office.person('suzuki')
  const one = await office.browse(office.admin)
  const meeting = await openSample(one, office)
  await invite(office, meeting, [colleague])
  const other = await office.browse(colleague)
  await other.goto(`${office.root}/meetings/${meeting}`)
  await other.waitForSelector('.transcript .utterance')
  await one.getByTitle('suzuki さんさんが開いています').waitFor()
  await beginEditing(one)
  await beginEditing(other)

  await caretAtEnd(one, 0)
  await caretAtEnd(other, 1)
  await one.locator('.transcript .peer[data-name*="suzuki"]').waitFor()
  await Promise.all([one.keyboard.type('花子の追記。'), other.keyboard.type('鈴木の追記。')])
  await Promise.all([saved(one), saved(other)])
  for (const page of [one, other]) {
    await page.waitForFunction(() => document.querySelector('.transcript')?.textContent?.includes('花子の追記。') && document.querySelector('.transcript')?.textContent?.includes('鈴木の追記。'))
  }

  // The same utterance, both ends, before either knows of the other.
  await utterance(one, 2).click()
  await one.keyboard.press('Home')
  await caretAtEnd(other, 2)
  await Promise.all([one.keyboard.type('冒頭。'), other.keyboard.type('末尾。')])
  await Promise.all([saved(one), saved(other)])
  await one.waitForFunction(() => document.querySelectorAll('.transcript .utterance:not(.hidden) .text')[2]?.textContent?.includes('末尾。'))
  const text = await utterance(one, 2).textContent()
  expect(text).toMatch(/^冒頭。.*末尾。$/s)
  await other.waitForFunction((wanted) => document.querySelectorAll('.transcript .utterance:not(.hidden) .text')[2]?.textContent === wanted, text)
  expect((await onServer(office.admin, meeting)).texts).toContain(text)

  // Undo takes back one's own step, not the colleague's.
  await one.keyboard.press('Control+KeyZ')
  await one.waitForFunction(() => !document.querySelectorAll('.transcript .utterance:not(.hidden) .text')[2]?.textContent?.startsWith('冒頭。'))
  expect(await utterance(one, 2).textContent()).toContain('末尾。')
  nothingStrayed(office)
})
