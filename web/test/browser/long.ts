// A meeting of four hours: 4,000 utterances with about 60,000 characters, their words and how sure the recogniser was.
const STOCK = ['それでは次の議題に移ります。', '来年度の予算要求について説明します。', '先月は上限に達して待つことがありました。', '承知しました。検討して報告します。', '資料の三ページをご覧ください。', '端末の更新は来年の二月を予定しています。', 'よろしいでしょうか。', '現場からは使いやすいという声が出ています。']

export function longMeeting(utterances = 4_000) {
  const blocks = Array.from({ length: utterances }, (_, index) => {
    const text = STOCK[(index * 7 + Math.floor(index / 11)) % STOCK.length] ?? ''
    const start_ms = index * 3_600
    const pieces = text.match(/.{1,3}/gu) ?? []
    const each = Math.floor(3_200 / pieces.length)
    const words = pieces.map((piece, at) => ({ start_ms: start_ms + at * each, end_ms: start_ms + (at + 1) * each, text: piece, confidence: (index * 31 + at * 17) % 23 === 0 ? 0.3 : 0.9 }))
    return { kind: 'utterance', id: index + 1, speaker: (Math.floor(index / 3) % 6) + 1, start_ms, end_ms: start_ms + 3_200, text, words, confidence: 0.86 }
  })
  const speakers = Array.from({ length: 6 }, (_, index) => ({ id: index + 1, name: `委員${index + 1}` }))
  return { version: 1, header: { title: '四時間の会議', held_on: '2026-11-22' }, speakers, blocks, items: [] }
}
