import type { Mistake } from './problem'
import { parseStoreSpec } from '../store/open-store'
import { StoreError } from '../store/store'
import { isSection } from './merge'

/** What is wrong with the store's address; nothing where the schema has already refused its shape. */
export function storeMistakes(store: unknown): Mistake[] {
  const path = isSection(store) ? ['store', 'at'] : ['store']
  const address = isSection(store) ? store.at : store
  if (typeof address !== 'string') return []
  try {
    parseStoreSpec(address)
    return []
  } catch (error) {
    if (error instanceof StoreError) return [{ path, at: 'value', message: error.message }]
    throw error
  }
}
