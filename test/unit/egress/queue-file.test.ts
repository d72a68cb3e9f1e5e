import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type HeadReading, type Readable, dueAt, messageId, readHead, readName } from '../../../src/egress/queue-file'

const NAME = '1785849725000_1785849726000_3_4711_aBcDeF_12_mx1.example.com'

const TODO = {
  queue_time: 1_785_849_725_000,
  domain: 'far.test',
  rcpt_to: [{ original: '<bob@far.test>', user: 'bob', host: 'far.test' }],
  mail_from: { original: '<ann@near.test>', user: 'ann', host: 'near.test' },
  notes: { sluice: { class: 'marketing' } },
  uuid: '0E1F.1.2',
}

/** A file that is read in pieces of so many bytes. */
function file(
  bytes: Buffer,
  piece = 1_000_000,
): Readable & { read: Readable['read']; readonly furthest: () => number } {
  let furthest = 0
  return {
    furthest: () => furthest,
    read: async (buffer, offset, length, position) => {
      const bytesRead = bytes.copy(buffer, offset, position, position + Math.min(length, piece))
      furthest = Math.max(furthest, position + bytesRead)
      return { bytesRead }
    },
  }
}

function queueFile(todo: unknown, body = 'Subject: test\r\n\r\nhello'): Buffer {
  const head = Buffer.from(`\n${JSON.stringify(todo, undefined, '\t')}\n`)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(head.length)
  return Buffer.concat([length, head, Buffer.from(body)])
}

describe('name of a queue file', () => {
  it('says when, how often, and which message', () => {
    const said = { id: '1785849725000_aBcDeF', dueAt: 1_785_849_726_000, attempts: 3, queuedAt: 1_785_849_725_000 }
    assert.deepEqual(readName(NAME), said)
    assert.deepEqual([messageId(NAME), dueAt(NAME)], [said.id, said.dueAt])
    const old = '1484878079415_2_12345_8888.mta1.example.com'
    assert.deepEqual(readName(old), { id: old, dueAt: 1_484_878_079_415, attempts: 2, queuedAt: undefined })
  })

  it('is none where Haraka takes it for none', () => {
    for (const name of ['', 'core', `__tmp__.${NAME}`, `error.${NAME}`, 'a_b_c_d_e_f_g', '1_2_3_4', `${NAME}_x`]) {
      assert.equal(readName(name), undefined, name)
    }
  })
})

describe('head of a queue file', () => {
  const problemOf = (reading: HeadReading) => ('problem' in reading ? `${reading.problem}: ${reading.why}` : reading)

  it('is read, in whatever pieces, and nothing far behind it', async () => {
    const said = {
      domain: 'far.test',
      sender: 'ann@near.test',
      recipients: ['bob@far.test'],
      queuedAt: 1_785_849_725_000,
      uuid: '0E1F.1.2',
      notes: TODO.notes,
    }
    for (const piece of [1, 7, 1_000_000]) {
      const read = file(queueFile(TODO, 'x'.repeat(100_000)), piece)
      assert.deepEqual(await readHead(read), { head: said })
      assert.ok(read.furthest() <= 8192)
    }
    const many = Array.from({ length: 1000 }, (_, number) => ({ user: `user${number}`, host: 'far.test' }))
    const reading = await readHead(file(queueFile({ ...TODO, rcpt_to: many, mail_from: { user: null, host: null } })))
    assert.ok('head' in reading)
    assert.deepEqual([reading.head.recipients.length, reading.head.sender], [1000, ''])
  })

  it('says what is wrong with it', async () => {
    const whole = queueFile(TODO, '')
    for (const [bytes, said] of [
      [Buffer.alloc(0), 'empty: it has no bytes'],
      [Buffer.from('abc'), 'corrupt: it ends before its head begins'],
      [Buffer.from('Subject: no queue file'), 'corrupt: its head would have 1400201834 bytes'],
      [whole.subarray(0, -5), 'corrupt: it ends within its head'],
      [Buffer.from([0, 0, 0, 2, 1, 2]), 'corrupt: its head is no JSON'],
      [queueFile({ ...TODO, domain: 7 }), 'corrupt: its head has no domain, no sender or no recipients'],
      [queueFile({ ...TODO, rcpt_to: [] }), 'corrupt: it has no recipients'],
      [queueFile(null), 'corrupt: its head has no domain, no sender or no recipients'],
    ] as const) {
      assert.equal(problemOf(await readHead(file(bytes))), said)
    }
  })

  it('whatever the bytes: is a head or a problem', () =>
    fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const reading = await readHead(file(Buffer.from(bytes)))
        assert.ok('head' in reading || reading.why !== '')
      }),
    ))
})
