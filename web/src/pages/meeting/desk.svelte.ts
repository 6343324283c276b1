// The minutes of one meeting while somebody has them open: loads them, sends what is typed, hears what others do, keeps on
// this device what is not on the server yet. What becomes of it all is decided in state/sync.ts.
import { api, ask, problemIn, Refused, type Problem, type Schemas } from '../../api/client'
import { follow } from '../../api/socket'
import { keep, kept } from '../../lib/kept'
import { uuid } from '../../lib/uuid'
import type { Minutes, Op } from '../../state/minutes'
import { EditRefused } from '../../state/edit'
import { answered, decided, edited, heard, isSaved, opened, reopened, sending, stepped, undoneHere, unsent, type Answered, type Clashed, type Heard, type Session } from '../../state/sync'

/** What is shown about saving. */
export type Saving = 'saved' | 'waiting' | 'saving' | 'offline' | 'no_seat' | 'refused'

/** What the editor must do before the model changes. */
export type Hands = { flush: () => void; isComposing: () => boolean }

/** A pause of this length in typing is when it is sent. */
const SEND_AFTER_MS = 500
const RETRY_MS = [1_000, 2_000, 4_000, 8_000, 15_000]
/** Ids are chosen here, so that work goes on before the answer comes: far above those that the server gives. */
const OWN_IDS_FROM = 2 ** 40

type Kept = { revision: number; ops: Op[][] }

export class Desk {
  session = $state.raw<Session | null>(null)
  saving = $state<Saving>('saved')
  problem = $state.raw<Problem | null>(null)
  savedAt = $state<number | null>(null)
  hands: Hands = { flush: () => {}, isComposing: () => false }
  private timer: ReturnType<typeof setTimeout> | undefined
  private tries = 0
  private refusals = 0
  private waiting: Heard[] = []
  /** What the server kept when a seat was gone; this device has it, too, and sends it itself. */
  private drafts: string[] = []
  private closed = false
  private unfollow: () => void = () => {}

  constructor(readonly meeting: string, private readonly maySend: () => boolean) {}

  /** Loads the minutes and what this device kept, and follows what others do. Throws `Refused`. */
  async open(): Promise<void> {
    const view = await this.load()
    let session = opened(view.revision, view.minutes)
    const left = this.restore()
    if (left) session = await this.takenUp(session, left)
    this.session = session
    this.remember()
    this.unfollow = follow(`/v1/meetings/${this.meeting}/minutes/events?after=${session.revision}`, ['revision'], (message) => {
      const { revision, ops } = message as Schemas['Revision']
      this.hear([{ revision, ops: ops as Op[] }])
    })
    if (!isSaved(session)) this.schedule(0)
  }

  close(): void {
    this.closed = true
    clearTimeout(this.timer)
    this.unfollow()
  }

  /** A name for a new block, speaker or item. */
  freshId(): number {
    return OWN_IDS_FROM + Math.floor(Math.random() * (Number.MAX_SAFE_INTEGER - OWN_IDS_FROM))
  }

  get minutes(): Minutes | null {
    return this.session?.local ?? null
  }

  /** Carries out what the person did; false if it cannot be done to the minutes as they are. */
  edit(ops: Op[]): boolean {
    if (!this.session || ops.length === 0) return false
    try {
      this.change(edited(this.session, ops))
    } catch (error) {
      if (!(error instanceof EditRefused)) throw error
      return false
    }
    this.schedule(SEND_AFTER_MS)
    return true
  }

  /** Something was typed that is not an operation yet: nobody is told that it is saved. */
  touched(): void {
    if (this.saving === 'saved') this.saving = 'waiting'
  }

  /** What was typed came to nothing, or has become operations. */
  collected(): void {
    if (this.saving === 'waiting' && this.session && isSaved(this.session)) this.saving = 'saved'
  }

  /** Sends everything now; true if the server has it all. */
  async saveNow(): Promise<boolean> {
    this.hands.flush()
    clearTimeout(this.timer)
    for (let turn = 0; turn < 3 && this.session && !isSaved(this.session); turn++) {
      await this.push()
      if (this.saving !== 'saved' && this.saving !== 'waiting') break
    }
    return this.session !== null && isSaved(this.session)
  }

  /** Takes back the last step: here if it is not sent yet, else on the server. Throws `Refused`. */
  async undo(): Promise<void> {
    this.hands.flush()
    if (!this.session) return
    if (this.saving === 'offline' || !(await this.saveNow())) {
      const back = undoneHere(this.session)
      if (back) this.change(back)
      return
    }
    await this.step('undo')
  }

  async redo(): Promise<void> {
    if (await this.saveNow()) await this.step('redo')
  }

  private async step(kind: 'undo' | 'redo'): Promise<void> {
    const call = { params: { path: { id: this.meeting } }, body: { request_id: uuid() } }
    const answer = await ask(kind === 'undo' ? api.POST('/v1/meetings/{id}/minutes/undo', call) : api.POST('/v1/meetings/{id}/minutes/redo', call))
    this.stepped(answer as Answered)
  }

  /** Takes in an answer to something that was not made of operations here. */
  stepped(answer: Answered): void {
    if (!this.session) return
    this.hands.flush()
    this.change(stepped(this.session, answer))
    this.savedAt = Date.now()
  }

  /** The person has chosen between two texts. */
  decide(clashed: Clashed, mine: boolean): void {
    if (!this.session) return
    const block = this.session.local.blocks.find((one) => one.id === clashed.block)
    const session = decided(this.session, clashed)
    this.change(session)
    if (!mine || !block || block.kind === 'gap') return
    this.edit([{ op: 'splice', block: block.id, at: [...block.text].length, remove: '', insert: clashed.mine }])
  }

  /** Others did something; while an input method composes, the text under it stays. */
  hear(revisions: Heard[]): void {
    if (this.hands.isComposing()) {
      this.waiting.push(...revisions)
      return
    }
    this.hands.flush()
    if (!this.session) return
    const newest = revisions.at(-1)?.revision ?? 0
    this.change(heard(this.session, revisions))
    // Between the last one known and this one others are missing: all are asked for.
    if (!this.session.sent && this.session.revision < newest) void this.catchUp().catch(() => {})
  }

  /** The input method is done: what was heard meanwhile comes in. */
  composed(): void {
    const revisions = this.waiting
    this.waiting = []
    if (revisions.length > 0) this.hear(revisions)
  }

  /** A seat is there again, or the person has signed in again. */
  resume(): void {
    if (this.session && !isSaved(this.session)) this.schedule(0)
  }

  private change(session: Session): void {
    this.session = session
    this.remember()
    if (isSaved(session)) this.saving = 'saved'
    else if (this.saving === 'saved') this.saving = 'waiting'
  }

  private schedule(after: number): void {
    if (this.closed) return
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.push(), after)
  }

  private async push(): Promise<void> {
    if (this.closed || !this.session) return
    if (!this.maySend()) {
      this.saving = 'no_seat'
      return
    }
    // What was sent and not answered is sent again, under its name.
    const session = this.session.sent ? this.session : sending(this.session, uuid())
    const sent = session.sent
    if (!sent) return
    this.change(session)
    this.saving = 'saving'
    try {
      const answer = await ask(api.PATCH('/v1/meetings/{id}/minutes', {
        params: { path: { id: this.meeting } },
        body: { base_revision: sent.base, request_id: sent.request, ops: sent.ops as Schemas['Op'][] },
      }))
      this.tries = this.refusals = 0
      this.problem = null
      this.hands.flush()
      this.saving = 'saved'
      this.savedAt = Date.now()
      if (this.session) this.change(answered(this.session, answer as Answered))
      this.dropDrafts()
      if (this.session && !isSaved(this.session)) this.schedule(SEND_AFTER_MS)
    } catch (error) {
      await this.failed(error)
    }
  }

  private async failed(error: unknown): Promise<void> {
    const problem = problemIn(error)
    if (!this.session) return
    if (!(error instanceof Refused) || problem.code === 'offline' || problem.status >= 500 || problem.status === 429) {
      this.saving = 'offline'
      this.schedule(RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)] ?? 15_000)
      return
    }
    this.change(unsent(this.session))
    if (problem.status === 412 || problem.status === 428 || problem.status === 401) {
      const draft = (problem.facts as { draft?: string | { id: string } } | null | undefined)?.draft
      if (draft) this.drafts.push(typeof draft === 'string' ? draft : draft.id)
      this.saving = 'no_seat'
      return
    }
    this.saving = 'refused'
    this.problem = problem
    if (++this.refusals > 2) return
    try {
      if (problem.code === 'edit_behind') await this.reload()
      else if (problem.code === 'edit_conflict' || problem.code === 'edit_refused') await this.catchUp()
      else return
      this.schedule(0)
    } catch {
      this.saving = 'offline'
      this.schedule(RETRY_MS[2] ?? 4_000)
    }
  }

  private dropDrafts(): void {
    for (const draft of this.drafts.splice(0)) void api.DELETE('/v1/meetings/{id}/drafts/{draft}', { params: { path: { id: this.meeting, draft } } }).catch(() => {})
  }

  private async reload(): Promise<void> {
    const view = await this.load()
    this.hands.flush()
    if (this.session) this.change(reopened(this.session, view.revision, view.minutes))
  }

  /** Asks for all revisions that are missing. */
  private async catchUp(): Promise<void> {
    for (;;) {
      const after = this.session?.revision ?? 0
      const query = { after, limit: 500 }
      const revisions = await ask(api.GET('/v1/meetings/{id}/minutes/revisions', { params: { path: { id: this.meeting }, query } }))
      if (revisions.length === 0 || !this.session) return
      this.hands.flush()
      this.change(heard(this.session, revisions.map(({ revision, ops }) => ({ revision, ops: ops as Op[] }))))
      if (this.session.revision === after) return
    }
  }

  private async load(revision?: number): Promise<{ revision: number; minutes: Minutes }> {
    const query = revision === undefined ? {} : { revision }
    const view = await ask(api.GET('/v1/meetings/{id}/minutes', { params: { path: { id: this.meeting }, query } }))
    return { revision: view.revision, minutes: view.minutes as Minutes }
  }

  /** Puts what this device kept over what others did since. */
  private async takenUp(now: Session, left: Kept): Promise<Session> {
    try {
      const then = left.revision === now.revision ? now.base : (await this.load(left.revision)).minutes
      let session = opened(left.revision, then)
      for (const ops of left.ops) session = edited(session, ops)
      const revisions = await ask(api.GET('/v1/meetings/{id}/minutes/revisions', { params: { path: { id: this.meeting }, query: { after: left.revision, limit: 500 } } }))
      const carried = heard(session, revisions.map(({ revision, ops }) => ({ revision, ops: ops as Op[] })))
      if (carried.revision === now.revision) return carried
    } catch (error) {
      if (!(error instanceof Refused) && !(error instanceof EditRefused)) throw error
    }
    return reopened({ ...now, pending: left.ops }, now.revision, now.base)
  }

  private get drawer(): string {
    return `draft.${this.meeting}`
  }

  private remember(): void {
    const session = this.session
    if (!session || isSaved(session)) return keep(this.drawer, null)
    const ops = [...(session.sent ? [session.sent.ops] : []), ...session.pending]
    keep(this.drawer, JSON.stringify({ revision: session.sent?.base ?? session.revision, ops } satisfies Kept))
  }

  private restore(): Kept | null {
    const text = kept(this.drawer)
    if (!text) return null
    try {
      return JSON.parse(text) as Kept
    } catch {
      return null
    }
  }
}
