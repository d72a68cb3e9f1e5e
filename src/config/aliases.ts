import { type Alias, type Document, type Node, isNode, visit } from 'yaml'

/** What each alias (`*name`) of a document repeats, or the aliases that are no good. */
export type ReadAliases =
  { readonly targets: ReadonlyMap<Alias, Node> } | { readonly mistakes: readonly AliasMistake[] }

export interface AliasMistake {
  /** In the text, from 0. */
  readonly offset: number
  readonly message: string
}

/** Aliases that a file may hold, and values that they may unfold to: beyond is no configuration. */
export const MOST_ALIASES = 100
export const TOO_MANY_ALIASES = `more than ${MOST_ALIASES} aliases: write the values out`

const NO_TARGET = 'a value that begins with * repeats one marked & above, and there is none: put it in quotes'

/**
 * Looks all aliases up in one walk: the parser walks the whole document for each. One that stands within the value that
 * it repeats is refused: nothing that handles the value later expects it to have no end.
 */
export function readAliases(yaml: Document.Parsed): ReadAliases {
  const anchors = new Map<string, Node>()
  const targets = new Map<Alias, Node>()
  const mistakes: AliasMistake[] = []
  let count = 0
  visit(yaml, {
    // An anchor holds from where it stands, also within its own value.
    Value: (_, node) => void (node.anchor === undefined || anchors.set(node.anchor, node)),
    Alias: (_, alias, above) => {
      const offset = alias.range?.[0] ?? 0
      if (++count > MOST_ALIASES) {
        mistakes.push({ offset, message: TOO_MANY_ALIASES })
        return visit.BREAK
      }
      const target = anchors.get(alias.source)
      if (!target) mistakes.push({ offset, message: NO_TARGET })
      else if (above.some((node) => isNode(node) && node === target)) {
        const message = `*${alias.source} stands within the value that it repeats: write the value out`
        mistakes.push({ offset, message })
      } else targets.set(alias, target)
      return undefined
    },
  })
  return mistakes.length > 0 ? { mistakes } : { targets }
}
