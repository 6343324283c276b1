// 新しい会議: the template that the office prepared is chosen already, for a file and for a recording.
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { look } from './looks'
import { openOffice, repository, type Office } from './office'
import { nothingStrayed } from './steps'

type Kept = { id: string }
let office: Office
let usual = ''
beforeAll(async () => {
  office = await openOffice()
  const template = (name: string, more: object) => office.admin.ask<Kept>('POST', '/v1/templates', { template: { name, ...more } })
  await template('臨時会', { title: '臨時会' })
  usual = (await template('定例会', { title: '定例会 {年}年', preselected: true, header: { agenda: '開会\n閉会' } })).id
})
afterAll(() => office.close())

test('a recording is brought with the usual template, which names the meeting', async () => {
  const page = await office.browse(office.admin)
  await page.goto(`${office.root}/new`)
  await page.locator('input[type=file]').setInputFiles(join(repository, 'tests/fixtures/audio/opus_48k.ogg'))
  const choice = page.getByLabel('会議テンプレート')
  expect(await choice.inputValue()).toBe(usual)
  await page.getByLabel('開催日').fill('2026-11-22')
  expect(await page.getByLabel('会議名').inputValue()).toBe('定例会 2026年')
  expect(await look(page, 'new-meeting-template')).toEqual([])
  await choice.selectOption({ label: '臨時会' })
  expect(await page.getByLabel('会議名').inputValue()).toBe('臨時会')
  await choice.selectOption('')
  expect(await page.getByLabel('会議名').inputValue(), 'without a template the file names it').toBe('opus_48k')
  await choice.selectOption({ label: '定例会' })
  await page.getByRole('button', { name: '取り込む' }).click()
  await page.waitForURL(/\/meetings\//)
  const id = new URL(page.url()).pathname.split('/').at(-1)
  const meeting = await office.admin.ask<{ title: string; template: string; held_on: string }>('GET', `/v1/meetings/${id}`)
  expect(meeting).toMatchObject({ title: '定例会 2026年', template: usual, held_on: '2026-11-22' })
  await page.context().close()
})

test('a recording of this device begins with it, too, and its agenda is there', async () => {
  const page = await office.browse(office.admin)
  await page.goto(`${office.root}/live`)
  await page.getByText('空のときはテンプレートの会議名になります。').waitFor()
  expect(await page.getByLabel('会議テンプレート').inputValue()).toBe(usual)
  await page.getByText('議題・単語グループ').click()
  expect(await page.getByLabel('議題の一覧').inputValue()).toBe('開会\n閉会')
  nothingStrayed(office)
})
