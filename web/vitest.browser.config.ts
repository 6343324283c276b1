import { defineConfig } from 'vitest/config'

// Stories in a real browser on the real server: see test/browser/office.ts.
export default defineConfig({
  test: {
    environment: 'node',
    include: ['test/browser/**/*.story.ts'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
})
