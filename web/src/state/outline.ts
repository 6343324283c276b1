// The outline of a recording as a drawing. Pure.

/** More columns than this no screen shows apart. */
const COLUMNS_MAX = 1_200
/** Silence is a line. */
const HEIGHT_MIN = 0.02

/** A path in a box that is `width` wide and reaches from -1 to 1: a drawing that is stretched to any size. */
export type Outline = { path: string; width: number }

/** Draws peaks, the lowest and the highest sample of each stretch in turn, as loud as the box is high. */
export function outlineOf(peaks: readonly number[]): Outline {
  const stretches = Math.floor(peaks.length / 2)
  const width = Math.min(stretches, COLUMNS_MAX)
  if (width === 0) return { path: '', width: 1 }
  const loudest = Math.max(1, peaks.reduce((most, peak) => Math.max(most, Math.abs(peak)), 0))
  const columns = Array.from({ length: width }, (_, column): [number, number] => {
    const [from, to] = [Math.floor((column * stretches) / width), Math.floor(((column + 1) * stretches) / width)]
    let [low, high] = [0, 0]
    for (let stretch = from; stretch < to; stretch++) {
      low = Math.min(low, peaks[2 * stretch] ?? 0)
      high = Math.max(high, peaks[2 * stretch + 1] ?? 0)
    }
    return [Math.min(low / loudest, -HEIGHT_MIN), Math.max(high / loudest, HEIGHT_MIN)]
  })
  const place = (level: number) => (-level).toFixed(2)
  // Steps along the upper edge, and back along the lower one.
  const upper = columns.map(([, high], column) => `V${place(high)}H${column + 1}`)
  const lower = columns.map(([low], column) => `V${place(low)}H${column}`).reverse()
  return { path: `M0 0${upper.join('')}${lower.join('')}Z`, width }
}
