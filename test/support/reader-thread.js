'use strict'
// The thread of src/feedback/reports/reader.ts from its source: a thread does not know how tests read TypeScript.

require('tsx/cjs')
require('../../src/feedback/reports/reader-thread')
