// Figures of the server: its text read into numbers.

/** One figure with its labels. */
export type Sample = { name: string; labels: Record<string, string>; value: number }

/** Reads the text of /metrics; what is no sample is passed over. */
export function readMetrics(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/.exec(line)
    if (!found) return []
    const [, name, labels = '', value] = found
    return [{ name: name ?? '', labels: readLabels(labels), value: Number(value) }]
  })
}

function readLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const [, name, value] of text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) if (name) labels[name] = (value ?? '').replace(/\\(.)/g, '$1')
  return labels
}

/** Returns the sum of a figure over its labels, or null where there is none. */
export function total(samples: Sample[], name: string, where: (labels: Record<string, string>) => boolean = () => true): number | null {
  const found = samples.filter((sample) => sample.name === name && where(sample.labels))
  return found.length > 0 ? found.reduce((sum, sample) => sum + sample.value, 0) : null
}
