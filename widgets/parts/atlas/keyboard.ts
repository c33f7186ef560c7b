import type { Items } from "./items";

const STEPS: Record<string, [row: number, col: number]> = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** Where an arrow key leads from a cell: to the next item in that direction, empty cells are passed over; null at the border. */
export function cellAfter(key: string, items: Items, item: number): number | null {
  const step = STEPS[key];
  if (step === undefined) return null;
  let [row, col] = [(items.row[item] ?? 0) + step[0], (items.col[item] ?? 0) + step[1]];
  while (row >= 0 && col >= 0 && row < items.rows && col < items.columns) {
    const found = items.at(0, row, col);
    if (found !== null) return found;
    [row, col] = [row + step[0], col + step[1]];
  }
  return null;
}

/** The items of a rectangle of cells given by two of its corners. */
export function rectangle(items: Items, from: number, to: number): number[] {
  const rows = [items.row[from] ?? 0, items.row[to] ?? 0].sort((a, b) => a - b) as [number, number];
  const cols = [items.col[from] ?? 0, items.col[to] ?? 0].sort((a, b) => a - b) as [number, number];
  const found: number[] = [];
  for (let row = rows[0]; row <= rows[1]; row += 1) {
    for (let col = cols[0]; col <= cols[1]; col += 1) {
      const item = items.at(0, row, col);
      if (item !== null) found.push(item);
    }
  }
  return found;
}

/** One item in words, for those who do not see it. */
export function spoken(items: Items, item: number, score: string): string {
  const parts = [items.ids[item] ?? "", items.labelOf(item), score === "–" ? "" : `score ${score}`, items.stratumOf(item)];
  const source = items.sourceOf(item);
  if (source === "synthetic" || source === "generated") parts.push(`${source} picture`);
  if (items.flagOf(item) !== "") parts.push(`flagged: ${items.flagOf(item)}`);
  parts.push(`row ${(items.row[item] ?? 0) + 1}, column ${(items.col[item] ?? 0) + 1}`);
  return parts.filter((words) => words !== "").join(", ");
}
