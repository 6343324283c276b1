// One person's minutes while they edit: what the server has, what is on its way, what is not sent yet. Pure: requests,
// clocks and storage are the caller's. Nothing that a person wrote is dropped: what cannot stand beside what others did
// becomes a conflict, with both texts.
//
//   base (revision) ──sent──► ──pending──► local          the view shows `local`
import { apply, EditRefused } from './edit'
import { textOf, type Block, type Minutes, type Op } from './minutes'
import { Conflicting, rebaseNumbered, type Conflict } from './rebase'

/** What was sent and is not answered yet; a retry says the same under the same name. */
export type Sent = { request: string; base: number; ops: Op[] }

/** A change of one's own that could not stand beside what others did: a person decides. */
export type Clashed = { block: number | null; mine: string; theirs: string; op: Op; clash: Conflict['clash'] | 'refused' }

export type Session = {
  revision: number
  base: Minutes
  sent: Sent | null
  /** Groups of operations, each one step of undo while it is not sent. */
  pending: Op[][]
  local: Minutes
  /** What others did and was heard while something was on its way; its answer tells the same. */
  early: Heard[]
  clashed: Clashed[]
}

/** A revision as it is heard of. */
export type Heard = { revision: number; ops: Op[] }

/** The server's answer to an edit. */
export type Answered = { revision: number; since: Op[]; ops: Op[] }

/** Begins with what the server has. */
export function opened(revision: number, minutes: Minutes): Session {
  return { revision, base: minutes, sent: null, pending: [], local: minutes, early: [], clashed: [] }
}

/** Takes in what the person did. Throws `EditRefused`, and nothing is changed then. */
export function edited(session: Session, ops: Op[]): Session {
  if (ops.length === 0) return session
  const local = apply(session.local, ops).minutes
  return { ...session, local, pending: [...session.pending, ops] }
}

/** Puts what waits on its way; the same session if nothing waits, or something is on its way already. */
export function sending(session: Session, request: string): Session {
  if (session.sent || session.pending.length === 0) return session
  const ops = session.pending.flat()
  return { ...session, sent: { request, base: session.revision, ops }, pending: [] }
}

/** Says whether everything is on the server. */
export function isSaved(session: Session): boolean {
  return session.sent === null && session.pending.length === 0
}

/** Takes in the answer to what was sent. */
export function answered(session: Session, answer: Answered): Session {
  if (!session.sent || answer.revision <= session.revision) return { ...session, sent: null }
  const base = apply(session.base, [...answer.since, ...answer.ops]).minutes
  const before = session.sent.ops.length
  const carried = carry([...session.sent.ops, ...session.pending.flat()], answer.since, base)
  const pending = regrouped(session.pending, carried.kept.filter(([index]) => index >= before).map(([index, op]) => [index - before, op]))
  const clashed = [...session.clashed, ...carried.clashed.filter((one) => !session.sent?.ops.includes(one.op))]
  return followed(settled({ ...session, revision: answer.revision, base, sent: null, pending, clashed }))
}

/** Takes in an undo, a redo or accepted proposals: an answer to something that was not made of operations here. */
export function stepped(session: Session, answer: Answered): Session {
  if (answer.revision <= session.revision) return session
  return heard({ ...session, early: [] }, [{ revision: answer.revision, ops: [...answer.since, ...answer.ops] }], true)
}

/** Takes in revisions of others (or of this person elsewhere), in their order; what is known is passed over. */
export function heard(session: Session, revisions: Heard[], leaps = false): Session {
  if (session.sent) return { ...session, early: [...session.early, ...revisions] }
  let now = session
  for (const { revision, ops } of revisions) {
    if (revision <= now.revision) continue
    // A revision that was missed comes again, with its neighbours: the caller asks for those after `revision`.
    if (!leaps && revision !== now.revision + 1) break
    const base = apply(now.base, ops).minutes
    const carried = carry(now.pending.flat(), ops, base)
    now = { ...now, revision, base, pending: regrouped(now.pending, carried.kept), clashed: [...now.clashed, ...carried.clashed] }
  }
  return now === session ? session : settled(now)
}

/** The server refused what was sent, or it never arrived: it waits again, before what was done since. */
export function unsent(session: Session): Session {
  if (!session.sent) return session
  return followed({ ...session, sent: null, pending: [session.sent.ops, ...session.pending] })
}

/** Takes back the last thing that is not sent yet; null if everything is. */
export function undoneHere(session: Session): Session | null {
  if (session.pending.length === 0) return null
  const pending = session.pending.slice(0, -1)
  return settled({ ...session, pending })
}

/** Puts the whole document anew under what is not sent: what does not fit any more becomes a conflict. */
export function reopened(session: Session, revision: number, minutes: Minutes): Session {
  const waiting = [...(session.sent ? [session.sent.ops] : []), ...session.pending]
  return settled({ ...session, revision, base: minutes, sent: null, pending: waiting, early: [] })
}

/** Forgets a conflict that the person has decided. */
export function decided(session: Session, clashed: Clashed): Session {
  return { ...session, clashed: session.clashed.filter((one) => one !== clashed) }
}

/** Takes up what was heard early. */
function followed(session: Session): Session {
  const { early } = session
  return early.length === 0 ? session : heard({ ...session, early: [] }, early)
}

/** Makes the local document from its parts; what cannot be carried out there becomes a conflict. */
function settled(session: Session): Session {
  let local = session.base
  if (session.sent) local = apply(local, session.sent.ops).minutes
  const pending: Op[][] = []
  const clashed: Clashed[] = []
  for (const group of session.pending) {
    const kept: Op[] = []
    for (const op of group) {
      try {
        local = apply(local, [op]).minutes
        kept.push(op)
      } catch (error) {
        if (!(error instanceof EditRefused)) throw error
        clashed.push(told(op, local, 'refused'))
      }
    }
    if (kept.length > 0) pending.push(kept)
  }
  return { ...session, local, pending, clashed: [...session.clashed, ...clashed] }
}

/** Carries operations over others; each that clashes is taken out and told, and the rest goes on. */
function carry(mine: Op[], since: Op[], theirs: Minutes): { kept: [number, Op][]; clashed: Clashed[] } {
  const clashed: Clashed[] = []
  let left: [number, Op][] = mine.map((op, index) => [index, op])
  for (;;) {
    try {
      const kept = rebaseNumbered(left.map(([, op]) => op), since)
      return { kept: kept.map(([at, op]) => [left[at]?.[0] ?? 0, op]), clashed }
    } catch (error) {
      if (!(error instanceof Conflicting)) throw error
      const guilty = left[error.conflict.mine]
      if (!guilty) throw error
      clashed.push(told(guilty[1], theirs, error.conflict.clash))
      left = left.filter((one) => one !== guilty)
    }
  }
}

/** Puts carried operations back into the groups they came from. */
function regrouped(groups: Op[][], kept: [number, Op][]): Op[][] {
  const ends: number[] = []
  let sum = 0
  for (const group of groups) ends.push((sum += group.length))
  const out: Op[][] = groups.map(() => [])
  for (const [index, op] of kept) out[ends.findIndex((end) => index < end)]?.push(op)
  return out.filter((group) => group.length > 0)
}

function told(op: Op, theirs: Minutes, clash: Clashed['clash']): Clashed {
  const block = 'block' in op ? op.block : null
  const found: Block | undefined = theirs.blocks.find((one) => one.id === block)
  const mine = op.op === 'splice' ? op.insert : op.op === 'set_text' ? op.text : op.op === 'set_header' ? op.value : op.op === 'put_item' ? op.item.text : ''
  return { block, mine, theirs: found ? textOf(found) : '', op, clash }
}
