import { type SessionDemands, demandsOfProfile } from '../../../../src/haraka/outbound/demands'

const MINUTE = 60_000

/** Of no consequence in a test that does not say otherwise. */
export const DEMANDS: SessionDemands = demandsOfProfile('egress|default|far', {
  sessions: { messages: 50, idleMs: MINUTE },
  tls: { demand: 'opportunistic', minVersion: undefined },
  timeouts: {
    ...{ connectMs: MINUTE, greetingMs: MINUTE, ehloMs: MINUTE, starttlsMs: MINUTE },
    ...{ mailMs: MINUTE, rcptMs: MINUTE, dataMs: MINUTE, dotMs: MINUTE },
  },
})
