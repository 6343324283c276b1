// An office for a story: the real server on a folder and port of its own, and people with real browsers.
//
//   const office = await openOffice()          // starts `gijiroku serve`, makes the first administrator
//   const page = await office.browse('admin')  // a signed-in page in a browser context of its own
//   await office.close()
//
// GIJIROKU_BIN names another program, GIJIROKU_MODELS another folder of weights. With GIJIROKU_DIST=1 the pages come from
// web/dist by a preview server instead of from the program, so that pages can be tried without building the program.
import { spawn, type ChildProcess } from 'node:child_process'
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core'
import { preview, type PreviewServer } from 'vite'

export const repository = resolve(import.meta.dirname, '../../..')
export const program = process.env['GIJIROKU_BIN'] ?? join(repository, 'target/release/gijiroku')
const models = process.env['GIJIROKU_MODELS'] ?? join(repository, 'models/weights')
export const PASSWORD = 'ひみつのことば12345'
export const shots = join(repository, 'web/test/browser/shots')

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--lang=ja-JP', '--autoplay-policy=no-user-gesture-required']

export type Office = {
  /** Where browsers go. */
  root: string
  /** Where programs go. */
  server: string
  admin: Person
  /** The setup link's secret of an office that has nobody yet. */
  secret: string
  /** Makes a further person. */
  person: (login: string, role?: string) => Promise<Person>
  /** Opens a page for somebody who is signed in, or for nobody. */
  browse: (who: Person | null, options?: BrowserContextOptions) => Promise<Page>
  /** Requests of pages that left this host; a story ends with none. */
  strays: string[]
  kill: () => Promise<void>
  restart: () => Promise<void>
  close: () => Promise<void>
}

/** Somebody who asks the server as a program would. */
export class Person {
  cookie = ''
  csrf = ''
  constructor(readonly server: string, readonly login: string, readonly password = PASSWORD) {}

  async ask<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
    const raw = body instanceof Uint8Array || body instanceof FormData || typeof body === 'string'
    const kind: Record<string, string> = raw || body === undefined ? {} : { 'content-type': 'application/json' }
    const answer = await fetch(this.server + path, {
      method, headers: { cookie: this.cookie, 'x-csrf-token': this.csrf, ...kind, ...headers },
      body: raw ? (body as BodyInit) : body === undefined ? undefined : JSON.stringify(body),
    })
    const set = answer.headers.get('set-cookie')
    if (set) this.cookie = set.split(';')[0] ?? ''
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return (text && (answer.headers.get('content-type') ?? '').includes('json') ? JSON.parse(text) : text) as T
  }

  async signIn(): Promise<void> {
    const body = { login: this.login, password: this.password }
    this.csrf = (await this.ask<{ csrf: string }>('POST', '/v1/session', body)).csrf
  }
}

type Served = { process: ChildProcess; secret: string }

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((done) => probe.listen(0, '127.0.0.1', done))
  const address = probe.address()
  await new Promise((done) => probe.close(done))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

async function serve(folder: string, port: number, extra: string[]): Promise<Served> {
  const listen = `127.0.0.1:${port}`
  const child = spawn(program, ['serve', '--listen', listen, '--data', join(folder, 'data'), '--models', models, ...extra], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stderr.pipe(createWriteStream(join(folder, 'stderr.log'), { flags: 'a' }))
  const served: Served = { process: child, secret: '' }
  await new Promise<void>((done, failed) => {
    child.once('exit', (code) => failed(new Error(`the server ended with ${code}; see ${folder}/stderr.log`)))
    createInterface({ input: child.stdout }).on('line', (line) => {
      const secret = /#(\S+)/.exec(line)?.[1]
      if (secret) served.secret = secret
      if (/https?:\/\//.test(line)) setTimeout(done, served.secret ? 0 : 200)
    })
  })
  return served
}

/** How an office is opened. */
export type OfficeOptions = {
  /** Nobody is in it yet, as after the installation. */
  fresh?: boolean
  arguments?: string[]
  /** The browser's. */
  flags?: string[]
  /** The settings, as TOML. */
  config?: string
  /** The server has a certificate of its own, which no browser knows. People of this file then cannot ask it. */
  certificate?: boolean
}

const tls = join(repository, 'tests/fixtures/tls')

/** Opens an office. */
export async function openOffice(options: OfficeOptions = {}): Promise<Office> {
  const folder = mkdtempSync(join(tmpdir(), 'gijiroku-office-'))
  const port = await freePort()
  const server = `${options.certificate ? 'https' : 'http'}://127.0.0.1:${port}`
  const settings = [
    ...(options.config ? [options.config] : []),
    ...(options.certificate ? ['[server]', `tls_certificate = "${tls}/server.pem"`, `tls_key = "${tls}/server.key"`] : []),
  ]
  const config = join(folder, 'settings.toml')
  if (settings.length > 0) writeFileSync(config, settings.join('\n') + '\n')
  const extra = [...(options.arguments ?? []), ...(settings.length > 0 ? ['--config', config] : [])]
  let served = await serve(folder, port, extra)
  const admin = new Person(server, 'admin')
  if (!options.fresh) {
    const made = await admin.ask<{ csrf: string }>('POST', '/v1/setup',
      { secret: served.secret, department: '総務課', login: 'admin', name: '管理 花子', password: PASSWORD })
    admin.csrf = made.csrf
  }
  const pages = process.env['GIJIROKU_DIST'] ? await previewOf(server) : null
  const root = pages?.resolvedUrls?.local[0]?.replace(/\/$/, '') ?? server
  const browser: Browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: [...FLAGS, ...(options.flags ?? [])] })
  const strays: string[] = []

  const office: Office = {
    root, server, admin, secret: served.secret, strays,
    async person(login, role = 'staff') {
      const departments = await admin.ask<{ id: string }[]>('GET', '/v1/departments')
      await admin.ask('POST', '/v1/users', { department: departments[0]?.id, login, name: `${login} さん`, role, password: `${PASSWORD}仮` })
      const person = new Person(server, login)
      const first = new Person(server, login, `${PASSWORD}仮`)
      await first.signIn()
      await first.ask('PUT', '/v1/session/password', { current: `${PASSWORD}仮`, new: PASSWORD })
      await person.signIn()
      return person
    },
    async browse(who, options = {}) {
      const context = await browser.newContext({ locale: 'ja-JP', viewport: { width: 1440, height: 900 }, acceptDownloads: true, ...options })
      watch(context, root, strays)
      if (who) {
        const fresh = new Person(server, who.login, who.password)
        await fresh.signIn()
        const [name, value] = fresh.cookie.split('=') as [string, string]
        await context.addCookies([{ name, value, url: root, httpOnly: true, sameSite: 'Lax' }])
      }
      const page = await context.newPage()
      page.on('pageerror', (error) => strays.push(`page error: ${error.message}`))
      return page
    },
    async kill() {
      const ended = new Promise((done) => served.process.once('exit', done))
      served.process.kill('SIGKILL')
      await ended
    },
    async restart() {
      served = await serve(folder, port, extra)
    },
    async close() {
      await browser.close()
      await pages?.close()
      if (served.process.exitCode === null && served.process.signalCode === null) await office.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return office
}

function previewOf(server: string): Promise<PreviewServer> {
  const proxied = { target: server, ws: true, changeOrigin: true, rewriteWsOrigin: true }
  return preview({ root: join(repository, 'web'), preview: { port: 0, host: '127.0.0.1', proxy: { '/v1': proxied, '/healthz': proxied, '/metrics': proxied } } })
}

/** Remembers every request that leaves the host. */
function watch(context: BrowserContext, root: string, strays: string[]): void {
  const host = new URL(root).hostname
  context.on('request', (request) => {
    const address = new URL(request.url())
    if (!['data:', 'blob:'].includes(address.protocol) && address.hostname !== host) strays.push(request.url())
  })
}
