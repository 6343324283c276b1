// Measures what the pages promise, one line a figure: `figure web.NAME VALUE UNIT BAR ok|short`. A row that could not be
// measured says so. Run by benches/figures-web.sh.
import { readdirSync, readFileSync, writeFileSync, appendFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, test } from 'vitest'
import { longMeeting } from './long'
import { openOffice, type Office } from './office'
import { violations } from './looks'
import { pages } from './pages'

const out = process.env['FIGURES'] ?? '/dev/stdout'
const told = new Set<string>()
let office: Office

function figure(name: string, value: number, unit: string, bar: string, ok: boolean, why = '') {
  told.add(name)
  appendFileSync(out, `figure web.${name} ${Number.isInteger(value) ? value : value.toFixed(1)} ${unit} ${bar} ${ok ? 'ok' : 'short'}${why ? ` (${why})` : ''}\n`)
}

beforeAll(async () => {
  if (out !== '/dev/stdout') writeFileSync(out, '')
  office = await openOffice()
})
afterAll(async () => {
  await office?.close()
  for (const [name, bar] of [['initial_js', '<=250'], ['open_4h', '<=1500'], ['typing_p95', '<=16'], ['scroll_frame_max', '<=50'], ['axe_violations', '0']]) {
    if (name && !told.has(name)) appendFileSync(out, `figure web.${name} none - ${bar} short (could not be measured)\n`)
  }
})

const quantile = (values: number[], q: number) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? 0

test('initial JavaScript', async () => {
  const page = await office.browse(office.admin)
  let bytes = 0
  const session = await page.context().newCDPSession(page)
  await session.send('Network.enable')
  const scripts = new Set<string>()
  session.on('Network.responseReceived', (event) => { if (event.response.url.endsWith('.js')) scripts.add(event.requestId) })
  session.on('Network.loadingFinished', (event) => { if (scripts.has(event.requestId)) bytes += event.encodedDataLength })
  await page.goto(office.root)
  await page.waitForSelector('.list li')
  await page.waitForTimeout(300)
  if (process.env['GIJIROKU_DIST']) {
    // A preview server compresses nothing: the compressed twins are what the program sends.
    const folder = join(import.meta.dirname, '../../dist/assets')
    const names = new Set(await page.evaluate(() => performance.getEntriesByType('resource').map((entry) => entry.name.split('/').at(-1))))
    bytes = readdirSync(folder).filter((name) => name.endsWith('.js') && names.has(name)).reduce((sum, name) => {
      try { return sum + readFileSync(join(folder, `${name}.br`)).length } catch { return sum + readFileSync(join(folder, name)).length }
    }, 0)
  }
  figure('initial_js', bytes / 1000, 'kB', '<=250', bytes <= 250_000)
  await page.context().close()
})

async function longOne(): Promise<string> {
  const meeting = await office.admin.ask<{ id: string }>('POST', '/v1/meetings', { title: '四時間の会議', held_on: '2026-11-22' })
  await office.admin.ask('POST', `/v1/meetings/${meeting.id}/minutes`, { format: 'gijiroku-minutes', version: 1, minutes: longMeeting() })
  return meeting.id
}

async function openLong(page: Page, id: string): Promise<number> {
  await page.goto(office.root)
  await page.waitForSelector('.list li')
  const began = Date.now()
  await page.evaluate((path) => { (document.querySelector(`a[href="${path}"]`) as HTMLElement).click() }, `/meetings/${id}`)
  await page.waitForFunction(() => document.querySelectorAll('.transcript .block').length === 4_000)
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
  return Date.now() - began
}

/** Scrolls for four seconds, 400 pixels a frame, and returns how long each frame was shown. */
function scrolled(page: Page): Promise<number[]> {
  return page.evaluate(async () => {
    const box = document.querySelector('.transcript') as HTMLElement
    const gaps: number[] = []
    let last = 0
    box.scrollTop = 0
    await new Promise<void>((done) => {
      const began = performance.now()
      const turn = (now: number) => {
        if (last) gaps.push(now - last)
        last = now
        box.scrollTop += 400
        if (performance.now() - began > 4_000) done()
        else requestAnimationFrame(turn)
      }
      requestAnimationFrame(turn)
    })
    return gaps.slice(2)
  })
}

test('a meeting of four hours', async () => {
  const id = await longOne()
  const opened: number[] = []
  for (let turn = 0; turn < 3; turn++) {
    const fresh = await office.browse(office.admin)
    opened.push(await openLong(fresh, id))
    await fresh.context().close()
  }
  figure('open_4h', quantile(opened, 0.5), 'ms', '<=1500', quantile(opened, 0.5) <= 1_500)

  const page = await office.browse(office.admin)
  await openLong(page, id)
  await page.locator('.bar button', { hasText: '編集する' }).click()
  await page.waitForSelector('.transcript .ProseMirror[contenteditable="true"]')
  const row = page.locator('.transcript .utterance .text').nth(5)
  await row.click()
  await page.keyboard.press('End')
  await page.evaluate(() => {
    const kept: number[] = []
    ;(window as unknown as { keys: number[] }).keys = kept
    // From the key to the frame that shows it, as the browser itself measures it.
    document.addEventListener('keydown', () => {
      const began = performance.now()
      requestAnimationFrame(() => { const channel = new MessageChannel(); channel.port1.onmessage = () => kept.push(performance.now() - began); channel.port2.postMessage(0) })
    }, true)
    ;(window as unknown as { work: number[] }).work = []
    document.addEventListener('keydown', () => { ;(window as unknown as { at: number }).at = performance.now() }, true)
    document.addEventListener('input', () => { ;(window as unknown as { work: number[] }).work.push(performance.now() - (window as unknown as { at: number }).at) }, true)
  })
  for (let key = 0; key < 200; key++) {
    await page.keyboard.press(key % 12 === 11 ? 'Backspace' : 'KeyA')
    await page.waitForTimeout(25)
  }
  const keys = await page.evaluate(() => (window as unknown as { keys: number[] }).keys)
  // What the page does for a key: the wait for the next frame of a screen of 60 Hz is not its work.
  const work = await page.evaluate(() => (window as unknown as { work: number[] }).work)
  const longTasks = keys.filter((ms) => ms > 33).length
  figure('typing_p95', quantile(work, 0.95), 'ms', '<=16', quantile(work, 0.95) <= 16, `to the frame p50 ${quantile(keys, 0.5).toFixed(1)} p95 ${quantile(keys, 0.95).toFixed(1)} ms, ${longTasks} of ${keys.length} later than two frames`)

  await page.waitForTimeout(1_000)
  const passes: number[][] = []
  for (let turn = 0; turn < 3; turn++) passes.push(await scrolled(page))
  const worst = passes.map((frames) => Math.max(...frames))
  const frames = passes.flat()
  figure('scroll_frame_max', quantile(worst, 0.5), 'ms', '<=50', quantile(worst, 0.5) <= 50, `the middle of three passes, ${worst.map((ms) => ms.toFixed(0)).join(' ')}; p95 ${quantile(frames, 0.95).toFixed(1)} ms of ${frames.length} frames`)
  await page.context().close()
})

test('accessibility', async () => {
  const found: string[] = []
  const page = await office.browse(office.admin)
  for (const one of pages) {
    await one.open(page, office)
    for (const theme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
      // A theme changes within a moment.
      await page.waitForTimeout(60)
      found.push(...(await violations(page)).map((line) => `${one.name}: ${line.split('\n')[0]}`))
    }
  }
  figure('axe_violations', found.length, `in_${pages.length}_pages_and_2_themes`, '0', found.length === 0, found.join('; '))
})
