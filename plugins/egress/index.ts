/** Messages for the same host share sessions. See README.md beside this. */
import { egressPlugin } from '../../src/haraka'

export const { register, shutdown, hook_init_master, hook_init_child, hook_data_post } = egressPlugin('egress')
