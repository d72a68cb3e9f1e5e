import eslint from '@eslint/js'
import tseslint from 'typescript-eslint'

/** The arrows of docs/ARCHITECTURE.md: what a folder of src may import. Everybody reaches a store through store.ts only. */
const may = {
  keys: [],
  dns: ['keys'],
  store: [],
  load: [],
  telemetry: ['policy'],
  policy: ['keys', 'store/store'],
  gates: ['policy', 'keys', 'store/store'],
  egress: ['policy', 'keys', 'dns', 'store/store'],
  feedback: ['egress', 'policy', 'keys', 'store/store'],
  config: ['policy', 'gates', 'egress', 'feedback', 'keys', 'dns', 'store/store', 'store/open-store'],
  console: ['telemetry', 'policy'],
  haraka: [
    'gates',
    'egress',
    'feedback',
    'policy',
    'keys',
    'dns',
    'config',
    'telemetry',
    'console',
    'load',
    'store/store',
    'store/open-store',
    'store/exhausted-cache',
  ],
  cli: [
    'config',
    'gates',
    'egress',
    'feedback',
    'policy',
    'keys',
    'dns',
    'telemetry',
    'store/store',
    'store/open-store',
  ],
}
const folders = Object.keys(may)

function arrows(folder) {
  const allowed = may[folder]
  const forbidden = folders.filter((other) => other !== folder && !allowed.includes(other))
  const group = forbidden.map((other) => `**/${other}/**`)
  const patterns = [{ group: ['**/plugins/**'], message: 'Nothing imports a plugin.' }]
  const stores = allowed.filter((other) => other.startsWith('store/')).map((other) => `!**/${other}`)
  if (stores.length > 0) patterns.push({ group: [...group, ...stores], message: `src/${folder} may not import this.` })
  else if (group.length > 0) patterns.push({ group, message: `src/${folder} may not import this.` })
  return {
    files: [`src/${folder}/**/*.ts`],
    rules: { 'no-restricted-imports': ['error', { patterns }] },
  }
}

export default tseslint.config(
  { ignores: ['dist', 'data', 'queue', 'node_modules', 'bench/out'] },
  eslint.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/restrict-template-expressions': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      eqeqeq: 'error',
      'max-lines': ['error', { max: 400, skipBlankLines: true }],
    },
  },
  ...folders.map(arrows),
  {
    files: ['src/{policy,gates,egress,feedback,keys,dns,store,load,config,telemetry,console,cli}/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          // Haraka's next is a function; the next() of an iterator is not meant.
          selector:
            'Identifier[name=/^(connection|DENY|DENYSOFT|DENYDISCONNECT|DENYSOFTDISCONNECT)$/], :not(MemberExpression) > Identifier[name="next"]',
          message: 'Only src/haraka and the plugins know Haraka.',
        },
      ],
    },
  },
  {
    files: ['plugins/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { group: ['**/src/**', '!**/src/haraka', '!**/src/haraka/**'], message: 'Plugins talk to src/haraka.' },
          ],
        },
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: { '@typescript-eslint/no-unused-expressions': 'off', '@typescript-eslint/no-floating-promises': 'error' },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: {
      globals: {
        require: 'readonly',
        module: 'writable',
        process: 'readonly',
        console: 'readonly',
        __dirname: 'readonly',
        Buffer: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
      },
    },
  },
)
