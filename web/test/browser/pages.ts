// Every page of the product, and how it is opened: what axe and the pictures go through.
import type { Page } from 'playwright-core'
import type { Office } from './office'

export type Shown = { name: string; open: (page: Page, office: Office) => Promise<void> }

const at = (name: string, path: string, until: string): Shown => ({
  name,
  async open(page, office) {
    await page.goto(office.root + path)
    await page.waitForSelector(until)
    await page.waitForLoadState('networkidle').catch(() => {})
  },
})

async function sample(page: Page, office: Office): Promise<void> {
  await page.goto(office.root)
  await page.locator('.list li a', { hasText: '見本' }).first().click()
  await page.waitForSelector('.transcript .block')
}

const tab = (name: string, label: string, then?: (page: Page) => Promise<void>): Shown => ({
  name,
  async open(page, office) {
    await sample(page, office)
    await page.getByRole('tab', { name: label }).click()
    await then?.(page)
    await page.waitForTimeout(300)
  },
})

const dialog = (name: string, open: (page: Page) => Promise<void>): Shown => ({
  name,
  async open(page, office) {
    await sample(page, office)
    await open(page)
    await page.waitForSelector('dialog[open]')
    await page.waitForTimeout(500)
  },
})

const more = (label: string) => async (page: Page) => {
  await page.getByRole('button', { name: 'その他の操作' }).click()
  await page.getByRole('menuitem', { name: label }).click()
}

export const pages: Shown[] = [
  at('meetings', '/', '.list li'),
  at('new-meeting', '/new', '.drop'),
  { name: 'meeting', open: sample },
  tab('meeting-items', '決定・ToDo'),
  tab('meeting-proposals', '整文', async (page) => { await page.getByRole('button', { name: '提案を見る' }).click(); await page.waitForTimeout(600) }),
  tab('meeting-find', '検索', async (page) => { await page.getByLabel('検索する言葉').fill('会議'); await page.waitForSelector('aside mark') }),
  tab('meeting-history', '履歴'),
  dialog('export', (page) => page.getByRole('button', { name: '出力' }).click()),
  dialog('header', more('会議情報')),
  dialog('keys', more('キーの一覧')),
  at('live-new', '/live', 'main h1'),
  at('live', '/live', 'main h1'),
  at('seats', '/seats', 'main h1'),
  at('words', '/words', 'main h1'),
  ...['', '/users', '/departments', '/seats', '/policy', '/licence', '/templates', '/retention', '/audit', '/health'].map((path) => at(`admin${path.replace('/', '-')}`, `/admin${path}`, 'main h1')),
  at('profile', '/profile', 'main h1'),
  at('help', '/help', 'main h1'),
]
