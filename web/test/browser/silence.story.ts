// Ten minutes without a voice: the browser's recorder proposes to end, and never ends by itself.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { look } from './looks'
import { openOffice, type Office } from './office'

/** Stands in for the worklet: silence, and a tenth of a second of it with each block, so that ten minutes pass in some seconds. */
const SILENCE = `
const PIECE = Math.floor(sampleRate / 10)
class Capture extends AudioWorkletProcessor {
  first = 0
  process() {
    const samples = new Int16Array(PIECE)
    this.port.postMessage({ first: this.first, at: Date.now(), samples }, [samples.buffer])
    this.first += PIECE
    return true
  }
}
registerProcessor('capture', Capture)
`
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
  await page.route(/\/assets\/capture-[^/]*\.js$/, (route) => route.fulfill({ contentType: 'text/javascript', body: SILENCE }))
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
