// 席: full, queued, offered, taken back with a reason; and what an administrator sees of it.
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { look } from './looks'
import { openOffice, type Office, type Person } from './office'

type Lease = { lease: string; token: string }
let office: Office
let page: Page
const people: Person[] = []
const leases: Lease[] = []

/** Names must be of version 7: the time first. */
function name(): string {
  const time = Date.now().toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

const ask = (person: Person, device: string) =>
  person.ask<Lease>('POST', '/v1/seats', { request_id: name(), device: { id: randomUUID(), kind: 'browser', name: device }, use: { edit: randomUUID() } })

beforeAll(async () => {
  office = await openOffice()
  for (const login of ['aoki', 'baba', 'chiba', 'doi', 'endo', 'fujita']) people.push(await office.person(login))
  page = await office.browse(people[5] ?? null)
})
afterAll(async () => {
  expect(office.strays).toEqual([])
  await office.close()
})

test('without a seat the page says how one comes', async () => {
  await page.goto(`${office.root}/seats`)
  await page.getByText('席は使っていません').waitFor()
  await page.getByText('5席中0席を利用中').first().waitFor()
  expect(await look(page, 'seats-none')).toEqual([])
})

test('a sentence says when it is going to be full, once the days before tell it', async () => {
  expect(await page.locator('.forecast').count(), 'an office without a past has no forecast').toBe(0)
  // Weeks of history are not made in a minute: the answer of the server is.
  const hours = Array.from({ length: 24 }, (_, hour) => ({ hour, peak: 5, crowded: hour === 23 }))
  await page.route('**/v1/seats/forecast*', (route) => route.fulfill({ json: { days: 8, hours } }))
  await page.reload()
  await page.getByText('今日は23時に混みます。').waitFor()
  expect(await look(page, 'seats-forecast')).toEqual([])
  await page.unroute('**/v1/seats/forecast*')
  await page.reload()
})

test('full: the place in the line, and what can be done now', async () => {
  for (const person of people.slice(0, 5)) leases.push(await ask(person, 'Windows Edge'))
  await ask(people[5] as Person, 'Windows Edge')
  await page.reload()
  await page.getByText('1番目', { exact: true }).waitFor()
  await page.getByRole('link', { name: '録音を始める' }).waitFor()
  expect(await look(page, 'seats-waiting')).toEqual([])
  await page.getByRole('button', { name: /aoki さん: 依頼する/ }).click()
  await page.getByText('aoki さんさんに依頼しました。').first().waitFor()
})

test('an administrator sees who has a seat, and takes one back with a reason', async () => {
  const admin = await office.browse(office.admin)
  await admin.goto(`${office.root}/admin/seats`)
  await admin.getByRole('rowheader', { name: /chiba さん/ }).waitFor()
  expect(await look(admin, 'admin-seats')).toEqual([])
  await admin.getByRole('button', { name: 'chiba さんさんの席を強制返却' }).click()
  const dialog = admin.getByRole('dialog', { name: '席の強制返却' })
  expect(await dialog.getByRole('button', { name: '強制返却' }).isDisabled()).toBe(true)
  await dialog.getByLabel(/^理由/).fill('退庁後の使用')
  expect(await look(admin, 'admin-seats-revoke')).toEqual([])
  await dialog.getByRole('button', { name: '強制返却' }).click()
  await admin.getByText('chiba さんさんの席を返却しました。').first().waitFor()
  const lost = await (people[2] as Person).ask('PUT', `/v1/seats/${leases[2]?.lease}`, { token: leases[2]?.token }).catch(String)
  expect(lost).toContain('退庁後の使用')
  await admin.context().close()
})

test('the freed seat comes to whoever waits: held with a countdown, taken with one press', async () => {
  const offer = page.getByRole('heading', { name: '席が空きました' })
  await offer.waitFor({ timeout: 20_000 })
  expect(await look(page, 'seats-offer')).toEqual([])
  await page.getByRole('button', { name: '利用を開始する' }).click()
  await page.getByText('席を利用しています').or(page.getByText('利用中', { exact: true })).first().waitFor()
  expect(await look(page, 'seats-mine')).toEqual([])
})

test('a seat is given back on the page, after a question', async () => {
  await page.getByRole('button', { name: '席を返す' }).click()
  await page.getByRole('dialog').getByRole('button', { name: '席を返す' }).click()
  await page.getByText('席は使っていません').waitFor()
  const mine = await (people[5] as Person).ask<{ lease: unknown }>('GET', '/v1/seats/mine')
  expect(mine.lease).toBeNull()
})

test('the day is drawn, told in a sentence and written as a table', async () => {
  const admin = await office.browse(office.admin)
  await admin.goto(`${office.root}/admin/seats?tab=chart`)
  await admin.getByRole('tabpanel').getByText(/最大5席/).first().waitFor()
  expect(await look(admin, 'admin-seats-chart')).toEqual([])
  await admin.getByRole('tab', { name: '報告書' }).click()
  await admin.getByRole('button', { name: '報告書をCSVで出力' }).click()
  const [file] = await Promise.all([admin.waitForEvent('download'), admin.getByRole('menuitem', { name: 'CSV（UTF-8）' }).click()])
  expect(file.suggestedFilename()).toBe('seats.csv')
  expect(await look(admin, 'admin-seats-report')).toEqual([])
  await admin.context().close()
})

test('seats are kept for a meeting, and more than there are is refused', async () => {
  await office.admin.ask('POST', '/v1/meetings', { title: '本会議' })
  const admin = await office.browse(office.admin)
  await admin.goto(`${office.root}/admin/seats?tab=reservations`)
  await admin.getByText('席の予約はありません').waitFor()
  await admin.getByRole('button', { name: '予約を追加' }).click()
  const dialog = admin.getByRole('dialog')
  await dialog.getByLabel(/^会議/).selectOption({ label: '本会議' })
  await dialog.getByLabel(/^日付/).fill(new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10))
  await dialog.getByLabel(/^席数/).fill('9')
  await dialog.getByRole('button', { name: '保存' }).click()
  await dialog.getByText(/席が足りません/).waitFor()
  await dialog.getByLabel(/^席数/).fill('3')
  expect(await look(admin, 'admin-seats-reserve')).toEqual([])
  await dialog.getByRole('button', { name: '保存' }).click()
  await admin.getByRole('cell', { name: '本会議', exact: true }).waitFor()
  expect(await look(admin, 'admin-seats-reservations')).toEqual([])
  await admin.getByRole('button', { name: '本会議: 予約を取消' }).click()
  await admin.getByText('席の予約はありません').waitFor()
  await admin.context().close()
})

test('extra seats that no licence grants are not opened, and the reason is told', async () => {
  const admin = await office.browse(office.admin)
  await admin.goto(`${office.root}/admin/seats`)
  await admin.getByRole('button', { name: '増席を開く' }).click()
  await admin.getByRole('dialog').getByLabel(/^理由/).fill('大雨の対策本部')
  await admin.getByRole('dialog').getByRole('button', { name: '増席を開く' }).click()
  await admin.getByText(/災害時の増席は開始できません/).first().waitFor()
  expect(await admin.getByText('閉じています').count()).toBe(1)
  await admin.context().close()
})

test('rules are kept, and a decision is explained', async () => {
  const admin = await office.browse(office.admin)
  await admin.goto(`${office.root}/admin/policy`)
  await admin.getByRole('button', { name: '規則を追加' }).click()
  await admin.getByLabel(/^規則の名前/).fill('総務課の上限')
  await admin.getByLabel('席数').fill('1')
  await admin.getByRole('button', { name: '保存' }).click()
  await admin.getByText('席の配分を保存しました。').first().waitFor()
  expect(await look(admin, 'admin-policy')).toEqual([])
  await admin.getByRole('tab', { name: '判定の説明' }).click()
  await admin.getByLabel('利用者').selectOption({ label: 'fujita さん（fujita）' })
  await admin.getByRole('button', { name: '判定を見る' }).click()
  await admin.getByRole('heading', { name: '調べたこと（この順）' }).waitFor()
  expect(await admin.getByRole('tabpanel').innerText()).toContain('総務課の上限')
  expect(await look(admin, 'admin-policy-explain')).toEqual([])
  await admin.getByRole('tab', { name: '席数の試算' }).click()
  await admin.getByRole('button', { name: '試算する' }).click()
  await admin.getByText(/直近90日間|席なら/).first().waitFor()
  expect(await look(admin, 'admin-policy-whatif')).toEqual([])
  await admin.getByRole('tab', { name: '時間の設定' }).click()
  await admin.getByLabel(/操作がないと知らせるまで/).fill('12')
  await admin.getByRole('button', { name: '保存' }).click()
  await admin.getByText('時間の設定を保存しました。').first().waitFor()
  expect((await office.admin.ask<{ idle_warn_ms: number }>('GET', '/v1/seats/limits')).idle_warn_ms).toBe(720_000)
  expect(await look(admin, 'admin-policy-limits')).toEqual([])
  await admin.context().close()
})

test('a licence that is none is refused with its reason, and nothing changes', async () => {
  const admin = await office.browse(office.admin)
  await admin.goto(`${office.root}/admin/licence`)
  await admin.getByText('評価用（期限なし・全機能）').waitFor()
  await admin.getByLabel('または、文字列を貼り付け').fill('abc.def.ghi')
  await admin.getByRole('button', { name: '内容を確認' }).click()
  await admin.getByText('登録できません').waitFor()
  await admin.getByText(/ライセンスのファイルとして読み取れません/).waitFor()
  expect(await admin.getByRole('button', { name: 'このライセンスを登録' }).count()).toBe(0)
  expect(await look(admin, 'admin-licence')).toEqual([])
  expect((await office.admin.ask<{ kind: string }>('GET', '/v1/licence')).kind).toBe('evaluation')
  await admin.context().close()
})
