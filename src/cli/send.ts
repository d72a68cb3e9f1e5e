import { resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { type Endpoint, endpointText, readEndpoint } from './endpoint'
import { HarakaDirectory } from './haraka-directory'
import { SmtpDialogue } from './smtp-dialogue'
import { CliError, print, printJson } from './terminal'

const EXAMPLES = `
Examples:
  sluice send                                     one message to you@sluice.test
  sluice send --to you@sluice.test --count 12     until a limit answers
  sluice send --smtp 127.0.0.1:25 --from me@example.com --to you@example.com`

interface SendOptions {
  readonly smtp?: string
  readonly from: string
  readonly to: readonly string[]
  readonly subject: string
  readonly count: number
  readonly dir: string
  readonly json?: true
}

interface Sent {
  readonly message: number
  readonly accepted: boolean
  readonly reply: string
}

/** `sluice send`: puts a message into a running server, as a client would, and prints what the server says. */
export function sendCommand(): Command {
  return new Command('send')
    .description('send a test message to a running server')
    .option('--smtp <host:port>', 'the server; default: where the Haraka directory listens')
    .option('--from <address>', 'envelope sender', 'me@example.com')
    .option('--to <address...>', 'envelope recipients', ['you@sluice.test'])
    .option('--subject <text>', 'subject of the message', 'A test message')
    .option('--count <n>', 'messages, one after the other in one session', readCount, 1)
    .option('--dir <dir>', 'Haraka directory', '.')
    .option('--json', 'print the replies as JSON')
    .addHelpText('after', EXAMPLES)
    .action(send)
}

async function send(options: SendOptions): Promise<void> {
  for (const text of [options.from, ...options.to, options.subject]) refuseControls(text)
  const endpoint = whereTo(options)
  const dialogue = await SmtpDialogue.open(endpoint)
  const sent: Sent[] = []
  try {
    await dialogue.greet()
    for (let message = 1; message <= options.count; message++) {
      const { accepted, reply } = await dialogue.send(options.from, options.to, textOf(options, message))
      sent.push({ message, accepted, reply })
      if (!options.json) print(`${message}: ${reply}`)
      if (dialogue.ended) break
    }
  } finally {
    dialogue.close()
  }
  if (options.json) printJson({ server: endpointText(endpoint), sent })
  if (sent.some(({ accepted }) => !accepted)) process.exitCode = 1
}

function whereTo({ smtp, dir }: SendOptions): Endpoint {
  if (smtp !== undefined) return readEndpoint('--smtp', smtp)
  const [first] = new HarakaDirectory(resolve(dir)).smtp()
  if (!first) throw new CliError(`${dir} says not where it listens: add --smtp HOST:PORT`, 2)
  return first.host === '0.0.0.0' || first.host === '::' ? { ...first, host: 'localhost' } : first
}

function textOf({ from, to, subject }: SendOptions, message: number): string {
  return [
    `From: <${from}>`,
    `To: ${to.map((address) => `<${address}>`).join(', ')}`,
    `Subject: ${subject}`,
    `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${Date.now()}.${process.pid}.${message}@sluice.invalid>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    '',
    'Sent by "sluice send".',
  ].join('\r\n')
}

/** A line break would start another command, or another header. */
function refuseControls(text: string): void {
  if ([...text].some((character) => character < ' ' || character === '\x7f'))
    throw new CliError(`${JSON.stringify(text)} holds a control character`, 2)
}

function readCount(text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= 10_000) return count
  throw new InvalidArgumentError('write a number from 1 to 10000.')
}
