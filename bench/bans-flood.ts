/** Run by bans.ts in a network of its own. */
import { floodFromBanned } from './bans'

floodFromBanned().then(
  (figure) => process.send!(figure, () => process.exit(0)),
  (error: unknown) => {
    console.error(error)
    process.exit(1)
  },
)
