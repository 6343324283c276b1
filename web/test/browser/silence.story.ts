// Ten minutes without a voice: the browser's recorder proposes to end, and never ends by itself.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { look } from './looks'
import { openOffice, type Office } from './office'

/** For each piece that the microphone delivers so many are heard, all of them silence: ten minutes pass in some seconds. */
const TIMES = 40

/** Runs in the page, before anything of it: what comes from the sound card is multiplied. */
function hasten(times: number): void {
  const own = Object.getOwnPropertyDescriptor(MessagePort.prototype, 'onmessage')
  type Piece = { first: number; at: number; samples: Int16Array }
  Object.defineProperty(MessagePort.prototype, 'onmessage', {
    configurable: true,
    get() { return own?.get?.call(this) as unknown },
    set(heard: ((event: { data: unknown }) => void) | null) {
      const many = (event: MessageEvent<Partial<Piece> | null>) => {
        const { samples, first = 0 } = event.data ?? {}
        if (!samples) return heard?.(event)
        for (let piece = 0; piece < times; piece++) heard?.({ data: { first: first * times + piece * samples.length, at: Date.now(), samples: new Int16Array(samples.length) } })
      }
      own?.set?.call(this, heard === null ? null : many)
    },
  })
}

/** Ten minutes of silence on a machine that has other work, too. */
const SILENT_MS = 90_000

let office: Office
beforeAll(async () => { office = await openOffice({ flags: ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'] }) })
afterAll(async () => {
  expect(office.strays).toEqual([])
  await office.close()
})

test('after ten silent minutes the end is proposed; to go on is one press, and the recording never stopped', async () => {
  const page = await office.browse(office.admin)
  await page.addInitScript(hasten, TIMES)
  await page.goto(`${office.root}/live`)
  await page.getByLabel(/^会議名/).fill('静かな会議')
  await page.getByRole('button', { name: '録音開始' }).click()
  const proposal = page.getByRole('alert').filter({ hasText: '無音が10分続いています。終了しますか' })
  await proposal.waitFor({ timeout: SILENT_MS })
  expect(await look(page, 'live-silence')).toEqual([])
  const live = new URL(page.url()).pathname.split('/').at(-1)
  const phase = async () => (await office.admin.ask<{ status: { phase: string } }>('GET', `/v1/live/${live}`)).status.phase
  expect(await phase(), 'it proposes and does nothing').toBe('recording')
  await proposal.getByRole('button', { name: '録音を続ける' }).click()
  await proposal.waitFor({ state: 'detached' })
  expect(await phase()).toBe('recording')
  await page.getByRole('button', { name: '終了', exact: true }).click()
  await page.getByRole('dialog').getByRole('button', { name: '終了' }).click()
  await page.waitForURL(/\/meetings\//, { timeout: 60_000 })
})
