// A server with a certificate of its own: the product by TLS, with the microphone and what browsers then allow.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openOffice, PASSWORD, type Office } from './office'

let office: Office
beforeAll(async () => { office = await openOffice({ fresh: true, certificate: true }) })
afterAll(async () => {
  expect(office.strays).toEqual([])
  await office.close()
})

test('who does not know the certificate is stopped by the browser, and who trusts it works as usual', async () => {
  const stranger = await office.browse(null)
  await expect(stranger.goto(office.server)).rejects.toThrow(/CERT/)
  await stranger.context().close()

  const page = await office.browse(null, { ignoreHTTPSErrors: true })
  await page.goto(`${office.server}/setup#${office.secret}`)
  await page.getByLabel('部署名').fill('総務課')
  await page.getByLabel('氏名').fill('管理 花子')
  await page.getByLabel('利用者名').fill('admin')
  await page.getByLabel(/^パスワード/).first().fill(PASSWORD)
  await page.getByLabel(/新しいパスワード（確認）/).fill(PASSWORD)
  await page.getByRole('button', { name: '登録して始める' }).click()
  await page.getByText('見本').first().waitFor()
  const [cookie] = await page.context().cookies()
  expect([cookie?.secure, cookie?.httpOnly]).toEqual([true, true])
  // Without TLS no browser gives a page on another machine the microphone.
  expect(await page.evaluate(() => isSecureContext && 'mediaDevices' in navigator)).toBe(true)
  await page.goto(`${office.server}/live`)
  await page.getByRole('button', { name: 'マイクを試す' }).waitFor()
  await page.goto(`${office.server}/seats`)
  await page.getByText('席は使っていません').waitFor()
})
