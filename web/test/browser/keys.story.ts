// The keyboard alone, and the input method that must never be disturbed.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CDPSession, Page } from 'playwright-core'
import { openOffice, PASSWORD, type Office } from './office'
import { beginEditing, caretAtEnd, nothingStrayed, onServer, openSample, saved, utterance } from './steps'

let office: Office
beforeAll(async () => { office = await openOffice() })
afterAll(() => office.close())

const count = (page: Page) => page.locator('.transcript .utterance').count()

async function compose(session: CDPSession, text: string): Promise<void> {
  for (let length = 1; length <= text.length; length++) {
    await session.send('Input.imeSetComposition', { text: text.slice(0, length), selectionStart: length, selectionEnd: length })
  }
}

test('while Japanese is being composed no key acts, and what is composed arrives once', async () => {
  const page = await office.browse(office.admin)
  const meeting = await openSample(page, office)
  await beginEditing(page)
  await caretAtEnd(page, 0)
  const session = await page.context().newCDPSession(page)
  const [before, rows] = [await utterance(page, 0).textContent(), await count(page)]

  await compose(session, 'かいぎ')
  // Keys that an input method gets first carry the code 229.
  for (const [key, code, modifiers] of [['Enter', 'Enter', 2], ['1', 'Digit1', 1], ['F4', 'F4', 0], ['z', 'KeyZ', 2], ['m', 'KeyM', 2], ['f', 'KeyF', 2]] as const) {
    for (const type of ['rawKeyDown', 'keyUp'] as const) await session.send('Input.dispatchKeyEvent', { type, key, code, modifiers, windowsVirtualKeyCode: 229 })
  }
  expect(await page.locator('dialog[open]').count()).toBe(0)
  expect(await count(page), 'nothing was split').toBe(rows)
  await session.send('Input.insertText', { text: '会議' })
  await page.waitForTimeout(100)
  expect(await utterance(page, 0).textContent()).toBe(`${before}会議`)
  await saved(page)
  expect((await onServer(office.admin, meeting)).texts).toContain(`${before}会議`)

  // A second composition in the middle of the text, given up.
  await page.keyboard.press('Home')
  await compose(session, 'やめる')
  await session.send('Input.imeSetComposition', { text: '', selectionStart: 0, selectionEnd: 0 })
  await page.waitForTimeout(100)
  expect(await utterance(page, 0).textContent()).toBe(`${before}会議`)
  // Enter is a new line inside the utterance, never the end of anything.
  await page.keyboard.press('End')
  await page.keyboard.press('Enter')
  await page.keyboard.type('x')
  expect(await utterance(page, 0).textContent()).toBe(`${before}会議\nx`)
  expect(await count(page)).toBe(rows)
  await saved(page)
  nothingStrayed(office)
})

test('a colleague who edits while Japanese is being composed does not disturb it', async () => {
  const page = await office.browse(office.admin)
  const meeting = await openSample(page, office)
  await beginEditing(page)
  await caretAtEnd(page, 3)
  const session = await page.context().newCDPSession(page)
  const before = await utterance(page, 3).textContent()
  await compose(session, 'へんかん')
  // The same person at another terminal, by the API.
  const mine = await office.admin.ask<{ lease: { lease: string; token: string } }>('GET', '/v1/seats/mine')
  const { revision } = await onServer(office.admin, meeting)
  const view = await office.admin.ask<{ minutes: { blocks: { id: number; kind: string; hidden?: string }[] } }>('GET', `/v1/meetings/${meeting}/minutes?words=false`)
  const target = view.minutes.blocks.filter((block) => block.kind === 'utterance' && !block.hidden)[4]
  await office.admin.ask('PATCH', `/v1/meetings/${meeting}/minutes`, { base_revision: revision, request_id: 'elsewhere', ops: [{ op: 'splice', block: target?.id, at: 0, remove: '', insert: '別の端末。' }] }, { seat: `${mine.lease.lease}.${mine.lease.token}` })
  await page.waitForTimeout(700)
  await session.send('Input.insertText', { text: '変換' })
  await page.waitForFunction(() => document.querySelector('.transcript')?.textContent?.includes('別の端末。'))
  expect(await utterance(page, 3).textContent()).toBe(`${before}変換`)
  await saved(page)
  const { texts } = await onServer(office.admin, meeting)
  expect(texts).toContain(`${before}変換`)
})

test('from signing in to a split, joined, marked and assigned utterance without a mouse', async () => {
  const page = await office.browse(null)
  await page.goto(office.root)
  await page.getByLabel('利用者名').focus()
  await page.keyboard.type('admin')
  await page.keyboard.press('Tab')
  await page.keyboard.type(PASSWORD)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: '会議一覧' }).waitFor()
  await tabTo(page, (text) => text.includes('見本'))
  await page.keyboard.press('Enter')
  await page.waitForSelector('.transcript .utterance')
  await tabTo(page, (text) => text.includes('編集する'))
  await page.keyboard.press('Enter')
  await page.waitForSelector('.ProseMirror[contenteditable="true"]')
  await tabTo(page, (_, role) => role === 'textbox')
  await page.keyboard.press('Control+Home')
  for (let down = 0; down < 2; down++) await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Home')
  for (let right = 0; right < 5; right++) await page.keyboard.press('ArrowRight')
  const rows = await count(page)
  await page.keyboard.press('Control+Enter')
  await page.waitForFunction((wanted) => document.querySelectorAll('.transcript .utterance').length === wanted, rows + 1)
  await page.keyboard.press('Alt+Digit3')
  await page.keyboard.press('Alt+Digit0')
  await page.keyboard.press('Digit3')
  await page.getByRole('tab', { name: /決定/, selected: true }).waitFor({ timeout: 3000 })
  await page.keyboard.press('Control+Shift+Enter')
  await page.waitForFunction((wanted) => document.querySelectorAll('.transcript .utterance').length === wanted, rows)
  await page.keyboard.press('F2')
  await page.getByRole('button', { name: '一時停止' }).waitFor()
  await page.keyboard.press('F2')
  await page.keyboard.press('Control+Slash')
  await page.getByRole('dialog', { name: 'キーの一覧' }).waitFor()
  await page.keyboard.press('Escape')
  await page.keyboard.press('Control+KeyF')
  await page.keyboard.type('会議')
  await page.getByText(/件中 1件目/).waitFor()
  nothingStrayed(office)
})

/** Presses Tab until the focus is on what is wanted; a page of which the keyboard reaches everything ends. */
async function tabTo(page: Page, wanted: (text: string, role: string | null) => boolean): Promise<void> {
  for (let step = 0; step < 60; step++) {
    await page.keyboard.press('Tab')
    const [text, role] = await page.evaluate(() => [document.activeElement?.textContent ?? '', document.activeElement?.getAttribute('role') ?? null] as const)
    if (wanted(text, role)) return
  }
  throw new Error('the keyboard does not reach it')
}
