import svelte from 'eslint-plugin-svelte'
import tseslint from 'typescript-eslint'

const raw = (names) => names.map((name) => ({ name, message: `${name} belongs to src/api/` }))
const inward = (room, targets) => ({
  files: [`src/${room}/**/*.{ts,svelte}`],
  rules: {
    'no-restricted-imports': ['error', { patterns: targets.map((target) => ({
      group: [`**/${target}/**`, `../${target}/*`], message: `${room} must not import ${target}` })) }],
  },
})

/** The arrows of ARCHITECTURE.md, and one owner for every raw call. */
export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'src/api/types.gen.ts', 'test/browser/shots/'] },
  ...tseslint.configs.recommended,
  ...svelte.configs.recommended,
  {
    languageOptions: { parserOptions: { parser: tseslint.parser } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      eqeqeq: 'error',
      'svelte/no-at-html-tags': 'error',
      'svelte/require-each-key': 'error',
      // Addresses are made by the router in src/lib, not by SvelteKit.
      'svelte/no-navigation-without-resolve': 'off',
      // Maps that are replaced as a whole need no reactive twin.
      'svelte/prefer-svelte-reactivity': 'off',
    },
  },
  {
    files: ['src/**/*.{ts,svelte}'],
    ignores: ['src/api/**'],
    rules: { 'no-restricted-globals': ['error', ...raw(['fetch', 'XMLHttpRequest', 'WebSocket', 'EventSource'])] },
  },
  inward('state', ['api', 'pages', 'parts', 'text']),
  inward('parts', ['api', 'pages']),
  inward('lib', ['api', 'pages', 'parts', 'state']),
  inward('api', ['pages', 'parts']),
)
