import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

// During development: `npm run dev` shows the pages with the data of a running server.
const server = process.env['GIJIROKU'] ?? 'http://127.0.0.1:8787'
const proxied = { target: server, ws: true, changeOrigin: true, rewriteWsOrigin: true }

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: ['chrome111', 'firefox114', 'safari16.4', 'edge111'],
    assetsDir: 'assets',
    // A font or picture inside a script would be loaded by everybody.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    sourcemap: false,
  },
  server: { port: 5173, proxy: { '/v1': proxied, '/healthz': proxied, '/metrics': proxied } },
  test: { environment: 'node', include: ['test/unit/**/*.test.ts'] },
})
