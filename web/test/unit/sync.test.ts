import { expect, test } from 'vitest'
import { apply } from '../../src/state/edit'
import { spliceBetween, textOf, type Minutes, type Op } from '../../src/state/minutes'
import { answered, edited, heard, isSaved, opened, reopened, sending, undoneHere, unsent } from '../../src/state/sync'
import { rebase } from '../../src/state/rebase'

const minutes: Minutes = {
  version: 1, header: {}, items: [], speakers: [{ id: 1, name: '会長' }],
  blocks: [1, 2, 3].map((id) => ({ kind: 'utterance', id, start_ms: id * 1000, end_ms: id * 1000 + 900, text: `発言${id}です。`, confidence: 1 })),
}
const texts = (document: Minutes) => document.blocks.map(textOf)
const type = (block: number, at: number, insert: string, remove = ''): Op => ({ op: 'splice', block, at, remove, insert })

/** The server's half, as far as these tests need it. */
class Server {
  revisions: Op[][] = []
  constructor(public document: Minutes) {}
  edit(base: number, ops: Op[]) {
    const since = this.revisions.slice(base).flat()
    const kept = rebase(ops, since)
    this.document = apply(this.document, kept).minutes
    this.revisions.push(kept)
    return { revision: this.revisions.length, since, ops: kept }
  }
}

test('what a person does is seen at once and is saved by its answer', () => {
  const server = new Server(minutes)
  let session = edited(opened(0, minutes), [type(1, 0, '本日の')])
  expect(texts(session.local)[0]).toBe('本日の発言1です。')
  expect(isSaved(session)).toBe(false)
  session = sending(session, 'a')
  session = answered(session, server.edit(session.sent?.base ?? 0, session.sent?.ops ?? []))
  expect([isSaved(session), session.revision, session.local]).toEqual([true, 1, server.document])
})

test('two people who edit the same utterance at once both keep their words', () => {
  const server = new Server(minutes)
  let [a, b] = [opened(0, minutes), opened(0, minutes)]
  a = sending(edited(a, [type(1, 0, '本日の')]), 'a')
  b = sending(edited(b, [type(1, 6, '以上。')]), 'b')
  b = edited(b, [type(2, 0, '次の')])
  a = answered(a, server.edit(0, a.sent?.ops ?? []))
  // Its own answer comes after the notice of the other's revision.
  b = heard(b, [{ revision: 1, ops: server.revisions[0] ?? [] }])
  b = answered(b, server.edit(0, b.sent?.ops ?? []))
  a = heard(a, [{ revision: 2, ops: server.revisions[1] ?? [] }])
  expect(texts(a.local)[0]).toBe('本日の発言1です。以上。')
  expect(texts(b.local)).toEqual(['本日の発言1です。以上。', '次の発言2です。', '発言3です。'])
  expect(b.pending.flat()).toEqual([type(2, 0, '次の')])
})

test('a change that cannot stand beside another is told with both texts, and the rest goes on', () => {
  let session = edited(opened(0, minutes), [type(1, 0, '第一', '発言')])
  session = edited(session, [type(3, 0, '最後の')])
  session = heard(session, [{ revision: 1, ops: [type(1, 0, '提案', '発言')] }])
  expect(texts(session.local)).toEqual(['提案1です。', '発言2です。', '最後の発言3です。'])
  expect(session.clashed).toMatchObject([{ block: 1, mine: '第一', theirs: '提案1です。', clash: 'text' }])
})

test('work without a connection is carried over what others did meanwhile', () => {
  let session = sending(edited(opened(0, minutes), [type(2, 0, '第')]), 'a')
  session = unsent(session)
  session = edited(session, [type(2, 1, '二')])
  session = heard(session, [{ revision: 1, ops: [type(2, 4, 'した', 'す')] }, { revision: 2, ops: [type(1, 0, 'X')] }])
  expect(texts(session.local).slice(0, 2)).toEqual(['X発言1です。', '第二発言2でした。'])
  expect([session.revision, session.pending.length]).toEqual([2, 2])
})

test('a revision that was missed is waited for', () => {
  const session = heard(opened(3, minutes), [{ revision: 5, ops: [type(1, 0, 'X')] }])
  expect([session.revision, texts(session.local)[0]]).toEqual([3, '発言1です。'])
})

test('what is not sent can be taken back without the server', () => {
  let session = edited(edited(opened(0, minutes), [type(1, 0, 'あ')]), [type(1, 1, 'い')])
  session = undoneHere(session) ?? session
  expect(texts(session.local)[0]).toBe('あ発言1です。')
  expect(undoneHere(opened(0, minutes))).toBeNull()
})

test('a document that is loaded anew keeps what still fits and tells the rest', () => {
  const session = reopened(edited(edited(opened(0, minutes), [type(1, 0, 'あ')]), [type(3, 0, 'う')]), 9, { ...minutes, blocks: minutes.blocks.slice(0, 2) })
  expect(texts(session.local)).toEqual(['あ発言1です。', '発言2です。'])
  expect(session.clashed).toMatchObject([{ block: 3, mine: 'う', clash: 'refused' }])
})

test('the least splice never cuts a character in two', () => {
  expect(spliceBetween(1, '𠮷野', '𠮷田')).toEqual({ op: 'splice', block: 1, at: 1, remove: '野', insert: '田' })
  expect(spliceBetween(1, 'a😀b', 'a😁b')).toEqual({ op: 'splice', block: 1, at: 1, remove: '😀', insert: '😁' })
  expect(spliceBetween(1, 'ああ', 'あああ')).toEqual({ op: 'splice', block: 1, at: 2, remove: '', insert: 'あ' })
  expect(spliceBetween(1, '同じ', '同じ')).toBeNull()
})
