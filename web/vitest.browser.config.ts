import { defineConfig } from 'vitest/config'

// Stories in a real browser on the real server, see test/browser/office.ts; FIGURES=file measures instead.
export default defineConfig({
  test: {
    environment: 'node',
    include: [process.env['FIGURES'] ? 'test/browser/**/*.figures.ts' : 'test/browser/**/*.story.ts'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
})
