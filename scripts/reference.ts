/**
 * `npm run docs`: writes docs/reference from the code: the configuration from its schema, the command from its help, the
 * metrics from the registry. `npm run docs -- --check` changes nothing and fails when a page is stale.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { format } from 'prettier'
import { program } from '../src/cli/main'
import { DEFAULTS } from '../src/config/defaults'
import { configJsonSchema } from '../src/config/json-schema'
import { createMetrics } from '../src/telemetry/metrics'

const FOLDER = path.join(__dirname, '../docs/reference')

interface Schema {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly anyOf?: readonly Schema[]
  readonly additionalProperties?: boolean | Schema
}

/** Every page by its name; the same text each time for the same code. */
export async function pages(): Promise<Record<string, string>> {
  const texts: Record<string, string> = {
    'configuration.md': configurationPage(),
    'command.md': commandPage(),
    'metrics.md': await metricsPage(),
  }
  for (const [name, text] of Object.entries(texts)) {
    texts[name] = await format(text, { parser: 'markdown', printWidth: 120 })
  }
  return texts
}

const GENERATED = '<!-- Written by `npm run docs`. Change the code, not this page. -->\n'

function configurationPage(): string {
  const schema = configJsonSchema() as Schema
  const rows: string[] = []
  describeKeys(schema, '', rows)
  const rules = Object.entries(DEFAULTS.limits).map(([name, rule]) => {
    const { count, per, limit } = rule
    return `| \`${name}\` | ${count} | ${per} | \`${JSON.stringify(limit).replaceAll('"', '')}\` | ${rule.text} |`
  })
  return `${GENERATED}
# Configuration

Keys of \`config/sluice.yaml\`. The file itself explains each; a key that is left out has its default.

| key | default | what |
| --- | --- | --- |
${rows.join('\n')}

## Rules that ship

| rule | counts | per | limit | the client reads |
| --- | --- | --- | --- | --- |
${rules.join('\n')}
`
}

function describeKeys(schema: Schema, prefix: string, rows: string[]): void {
  for (const [key, value] of Object.entries(schema.properties ?? {})) {
    const name = `${prefix}${key}`
    const nested = value.properties ? value : undefined
    const entry = typeof value.additionalProperties === 'object' ? value.additionalProperties : undefined
    const isRule = key === 'limits'
    if (!nested) {
      const standard = value.default === undefined || isRule ? '' : `\`${JSON.stringify(value.default)}\``
      rows.push(`| \`${name}\` | ${standard} | ${cell(value.description ?? '')} |`)
    }
    if (nested) describeKeys(nested, `${name}.`, rows)
    const shape = isRule ? entry?.anyOf?.find((candidate) => candidate.properties) : entry
    if (shape?.properties) describeKeys(shape, `${name}.NAME.`, rows)
  }
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

function commandPage(): string {
  const root = program()
  const parts = [GENERATED, '# Command\n', help(root)]
  for (const command of walk(root)) parts.push(`## ${fullName(command)}\n`, help(command))
  return parts.join('\n')
}

function* walk(command: Command): Generator<Command> {
  for (const child of command.commands) {
    yield child
    yield* walk(child)
  }
}

function fullName(command: Command): string {
  return command.parent ? `${fullName(command.parent)} ${command.name()}` : command.name()
}

function help(command: Command): string {
  // The width of the terminal must not show in the page.
  command.configureOutput({ getOutHelpWidth: () => 110 })
  let text = ''
  command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 110 })
  command.outputHelp()
  return `\`\`\`text\n${text.trimEnd()}\n\`\`\`\n`
}

async function metricsPage(): Promise<string> {
  const { registry } = createMetrics({ version: '0', processMetrics: false })
  const rows = (await registry.getMetricsAsJSON())
    .filter(({ name }) => name.startsWith('sluice_'))
    .map(({ name, type, help: what }) => `| \`${name}\` | ${String(type)} | ${cell(what)} |`)
    .sort()
  return `${GENERATED}
# Metrics

At \`/metrics\`, of all workers together, besides the usual \`process_*\` and \`nodejs_*\`. No label ever holds an address,
a domain or an account.

| metric | type | what |
| --- | --- | --- |
${rows.join('\n')}
`
}

async function main(check: boolean): Promise<void> {
  mkdirSync(FOLDER, { recursive: true })
  for (const [name, text] of Object.entries(await pages())) {
    const file = path.join(FOLDER, name)
    if (!check) writeFileSync(file, text)
    else if (readFileSync(file, 'utf8') !== text) {
      console.error(`docs/reference/${name} is stale: run npm run docs`)
      process.exitCode = 1
    }
  }
}

if (require.main === module) void main(process.argv.includes('--check'))
