import assert from 'node:assert/strict'
import path from 'node:path'
import { shippedProviders } from '../../../src/config/providers/read'
import { readResponses } from '../../../src/config/responses/read'
import type { Classifier } from '../../../src/feedback/classifier'
import { readResponse } from '../../../src/feedback/read-response'
import type { ResponseClass } from '../../../src/feedback/response-class'

/** What each entry of the IANA registry of enhanced status codes means here when nothing else is known, as 4xx and 5xx. */
const REGISTRY: Readonly<Record<string, ResponseClass | readonly [ResponseClass, ResponseClass]>> = {
  // RFC 3463
  '0.0': ['busy', 'unknown'],
  ...{ '1.0': 'invalid', '1.1': 'invalid', '1.2': 'invalid', '1.3': 'invalid', '1.4': 'invalid', '1.5': 'invalid' },
  ...{ '1.6': 'invalid', '1.7': 'policy', '1.8': 'dns' },
  ...{ '2.0': ['greylist', 'disabled'], '2.1': 'disabled', '2.2': 'mailbox_full', '2.3': 'policy' },
  '2.4': ['busy', 'disabled'],
  ...{ '3.0': 'busy', '3.1': 'busy', '3.2': 'busy', '3.3': 'protocol', '3.4': 'policy', '3.5': 'busy' },
  ...{ '4.0': 'busy', '4.1': 'timeout', '4.2': 'timeout', '4.3': 'dns', '4.4': 'dns', '4.5': 'busy', '4.6': 'dns' },
  '4.7': 'timeout',
  ...{ '5.0': 'protocol', '5.1': 'protocol', '5.2': 'protocol', '5.3': 'policy', '5.4': 'protocol', '5.5': 'protocol' },
  ...{ '6.0': 'content', '6.1': 'content', '6.2': 'content', '6.3': 'content', '6.4': 'content', '6.5': 'content' },
  ...{ '7.0': 'policy', '7.1': 'policy', '7.2': 'policy', '7.3': 'tls', '7.4': 'tls', '7.5': 'tls', '7.6': 'tls' },
  '7.7': 'content',
  // RFC 3886, 4468, 4954, 5248, 7504
  ...{ '1.9': 'protocol', '6.6': 'content', '5.6': 'protocol', '7.8': 'authentication', '7.9': 'authentication' },
  ...{ '7.10': 'tls', '7.11': 'tls', '7.12': 'authentication', '7.13': 'disabled', '7.14': 'authentication' },
  // RFC 6531: internationalized addresses
  ...{ '6.7': 'protocol', '6.8': 'protocol', '6.9': 'protocol', '6.10': 'protocol' },
  // RFC 6710: priorities
  ...{ '3.6': 'busy', '7.15': 'policy', '7.16': 'policy' },
  // RFC 7293: the mailbox has another owner
  ...{ '7.17': 'invalid', '7.18': 'invalid', '7.19': 'policy' },
  // RFC 7372 and 8617: authentication
  ...{ '7.20': 'authentication', '7.21': 'authentication', '7.22': 'authentication', '7.23': 'authentication' },
  ...{ '7.24': 'authentication', '7.25': 'authentication', '7.26': 'authentication', '7.29': 'authentication' },
  // RFC 7505: null MX; 8689: REQUIRETLS
  ...{ '1.10': 'invalid', '7.27': 'policy', '7.30': 'tls' },
  '7.28': 'rate',
}

describe('an enhanced code without a known word', () => {
  let classifier: Classifier
  before(() => {
    const home = path.join(__dirname, '../../..')
    const { outcome } = readResponses(home, path.join(home, 'config'), [...shippedProviders().providers.keys()])
    if ('problems' in outcome) assert.fail('the shipped rules have problems')
    classifier = outcome.classifier
  })

  for (const [code, wanted] of Object.entries(REGISTRY)) {
    it(`X.${code} has its meaning`, () => {
      const [transient, permanent] = typeof wanted === 'string' ? [wanted, wanted] : wanted
      const of = (answer: string) =>
        classifier.classify(readResponse(answer, { phase: undefined, provider: undefined })).responseClass
      assert.deepEqual([of(`450 4.${code} Xyzzy`), of(`554 5.${code} Xyzzy`)], [transient, permanent])
    })
  }
})
