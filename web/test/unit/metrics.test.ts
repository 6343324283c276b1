import { expect, test } from 'vitest'
import { readMetrics, total } from '../../src/state/metrics'

const text = `# HELP gijiroku_seats_free Seats that are free
# TYPE gijiroku_seats_free gauge
gijiroku_seats_free{pool="standard"} 3
gijiroku_seats_free{pool="a \\"b\\" {c}"} 2

gijiroku_disk_free_bytes 43960750080
gijiroku_http_requests_total{method="GET",route="/v1/users",status="5xx"} 1
gijiroku_http_requests_total{method="GET",route="/v1/users",status="2xx"} 9
`

test('figures are read with their labels', () => {
  const samples = readMetrics(text)
  expect(samples.length).toBe(5)
  expect(samples[1]).toEqual({ name: 'gijiroku_seats_free', labels: { pool: 'a "b" {c}' }, value: 2 })
})

test('a figure is summed over its labels, and absent where there is none', () => {
  const samples = readMetrics(text)
  expect(total(samples, 'gijiroku_seats_free')).toBe(5)
  expect(total(samples, 'gijiroku_http_requests_total', (labels) => labels['status'] === '5xx')).toBe(1)
  expect(total(samples, 'gijiroku_nothing')).toBeNull()
})
