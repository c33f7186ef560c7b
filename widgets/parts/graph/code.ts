const UNIT = /^(.+):(\d+)(?:@(\d+),(\d+))?$/s;

/** A unit as the Python that makes it. */
function unitCode(id: string): string {
  const [, layer = id, channel = "0", row, column] = UNIT.exec(id) ?? [];
  const place = row === undefined ? "" : `, position=(${row}, ${column})`;
  return layer === "logits" && place === "" ? `fv.Unit.logit(${channel})` : `fv.Unit(${JSON.stringify(layer)}, ${channel}${place})`;
}

/** Units as a Python list. */
export function listCode(ids: string[]): string {
  return `[${ids.map(unitCode).join(", ")}]`;
}
