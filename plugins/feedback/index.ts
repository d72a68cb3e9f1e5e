/** Bounces, complaints and wishes to unsubscribe that come by mail are read and counted. See README.md beside this. */
import { feedbackPlugin } from '../../src/haraka'

export const { register, shutdown, hook_init_master, hook_init_child } = feedbackPlugin('feedback')
