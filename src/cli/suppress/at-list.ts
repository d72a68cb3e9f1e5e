import type { Policy } from '../../config/compile'
import { SuppressionList } from '../../feedback/suppression-list'
import { withStore } from '../open'

/** Opens the suppression list of a Haraka directory beside the servers that use it, see {@link withStore}. */
export async function atList(
  dir: string,
  work: (list: SuppressionList, policy: Policy) => Promise<void>,
): Promise<void> {
  await withStore(dir, (store, policy) => {
    const list = new SuppressionList({ records: () => store.records, keptFor: () => policy.suppression.keepMs })
    return work(list, policy)
  })
}
