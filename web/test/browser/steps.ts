// Steps that several stories take.
import { execFileSync } from 'node:child_process'
import type { Locator, Page } from 'playwright-core'
import { expect } from 'vitest'
import type { Office, Person } from './office'

/** Opens the sample meeting by the list, as a person would. */
export async function openSample(page: Page, office: Office): Promise<string> {
  await page.goto(office.root)
  await page.locator('.list li a', { hasText: '見本' }).first().click()
  await page.waitForSelector('.transcript .utterance')
  return new URL(page.url()).pathname.split('/').at(-1) ?? ''
}

/** Begins to edit: waits for the seat. */
export async function beginEditing(page: Page): Promise<void> {
  await page.locator('.bar button', { hasText: '編集する' }).click()
  await page.waitForSelector('.ProseMirror[contenteditable="true"]')
}

/** The text of the n-th utterance. */
export const utterance = (page: Page, n: number): Locator => page.locator('.transcript .utterance:not(.hidden) .text').nth(n)

/** Puts the caret at the end of an utterance. Whoever clicks on a word hears it: the player is stopped again. */
export async function caretAtEnd(page: Page, n: number): Promise<void> {
  await utterance(page, n).click()
  await page.evaluate(() => document.querySelector('audio')?.pause())
  await page.keyboard.press('End')
}

export async function saved(page: Page): Promise<void> {
  await page.waitForFunction(() => document.querySelector('.bar')?.textContent?.includes('保存済み'), undefined, { timeout: 20_000 })
}

/** What the server has of a meeting. */
export async function onServer(who: Person, meeting: string): Promise<{ revision: number; texts: string[] }> {
  const view = await who.ask<{ revision: number; minutes: { blocks: { text?: string; hidden?: string }[] } }>('GET', `/v1/meetings/${meeting}/minutes?words=false`)
  return { revision: view.revision, texts: view.minutes.blocks.flatMap((block) => (block.text && !block.hidden ? [block.text] : [])) }
}

/** Lets other people edit a meeting. */
export async function invite(office: Office, meeting: string, people: Person[]): Promise<void> {
  const users = await office.admin.ask<{ id: string; login: string }[]>('GET', '/v1/users')
  const members = people.map((person) => ({ user: users.find((user) => user.login === person.login)?.id, can_edit: true }))
  await office.admin.ask('PUT', `/v1/meetings/${meeting}/members`, members)
}

/** Returns the text of a Word file's body. */
export function wordText(path: string): string {
  const script = 'import re,sys,zipfile; print(re.sub(r"<[^>]+>", "", zipfile.ZipFile(sys.argv[1]).read("word/document.xml").decode()))'
  return execFileSync('python3', ['-c', script, path], { encoding: 'utf8' })
}

/** A recording as large as wished: a second of speech-like noise, repeated, as WAV. */
export function sound(seconds: number): Buffer {
  const samples = 16_000 * seconds
  const wave = Buffer.alloc(44 + samples * 2)
  wave.write('RIFF', 0)
  wave.writeUInt32LE(36 + samples * 2, 4)
  wave.write('WAVEfmt ', 8)
  wave.writeUInt32LE(16, 16)
  wave.writeUInt16LE(1, 20)
  wave.writeUInt16LE(1, 22)
  wave.writeUInt32LE(16_000, 24)
  wave.writeUInt32LE(32_000, 28)
  wave.writeUInt16LE(2, 32)
  wave.writeUInt16LE(16, 34)
  wave.write('data', 36)
  wave.writeUInt32LE(samples * 2, 40)
  for (let at = 0; at < samples; at++) wave.writeInt16LE(Math.round(3_000 * Math.sin(at / 9) * Math.sin(at / 4_000)), 44 + at * 2)
  return wave
}

/** No page left the host, and none failed. */
export function nothingStrayed(office: Office): void {
  expect(office.strays).toEqual([])
}
