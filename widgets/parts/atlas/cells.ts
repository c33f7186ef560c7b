import { cssOf } from "./scales";
import type { Look, Pen, Scene } from "./scene";

const FONT = "system-ui, sans-serif";
const LETTER = 6.1; // pixels that a letter of 11 takes on the whole
const BADGES: Record<string, string> = { synthetic: "S", generated: "G" };

/** Words in lines of at most some letters; a word that is longer is cut. */
export function wrapped(words: string, letters: number, lines: number): string[] {
  const made: string[] = [];
  let line = "";
  for (const word of words.split(/\s+/)) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (longer.length <= letters) line = longer;
    else {
      if (line !== "") made.push(line);
      line = word.length > letters ? `${word.slice(0, Math.max(1, letters - 1))}…` : word;
    }
    if (made.length === lines) return made;
  }
  return [...made, line].slice(0, lines);
}

/** A cell without an item. */
export function paintEmpty(pen: Pen, look: Look, left: number, top: number, side: number): void {
  pen.fillStyle = look.well;
  pen.fillRect(left, top, side, side);
  if (side < 7) return;
  pen.strokeStyle = look.line;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(left + side * 0.35, top + side * 0.65);
  pen.lineTo(left + side * 0.65, top + side * 0.35);
  pen.stroke();
}

/** A cell without a picture: its colour, and words where there is room. */
export function paintWords(pen: Pen, scene: Scene, look: Look, item: number, [left, top, side]: [number, number, number]): void {
  const { items, overlay } = scene;
  const gap = side > 12 ? 1 : 0;
  pen.fillStyle = overlay === null ? look.well : cssOf(overlay.colours[item] ?? 0);
  pen.fillRect(left + gap, top + gap, side - 2 * gap, side - 2 * gap);
  if (side < 44) return;
  const band = overlay === null ? 0 : 6;
  pen.fillStyle = look.paper;
  pen.fillRect(left + gap + band, top + gap + band, side - 2 * (gap + band), side - 2 * (gap + band));
  pen.fillStyle = look.ink;
  pen.font = `11px ${FONT}`;
  pen.textBaseline = "middle";
  pen.textAlign = "center";
  const room = side - 2 * (band + 3);
  const lines = wrapped(items.labelOf(item) || items.ids[item] || "", Math.floor(room / LETTER), Math.max(1, Math.floor(room / 14)));
  lines.forEach((line, at) => pen.fillText(line, left + side / 2, top + side / 2 + (at - (lines.length - 1) / 2) * 14, room));
}

function badge(pen: Pen, words: string, x: number, y: number, side: number, [paper, ink]: [string, string]): void {
  const half = Math.min(8, Math.max(4.5, side / 8));
  pen.fillStyle = paper;
  pen.beginPath();
  pen.roundRect(x - half, y - half, 2 * half, 2 * half, half / 2.5);
  pen.fill();
  pen.strokeStyle = ink;
  pen.lineWidth = 1;
  pen.stroke();
  pen.fillStyle = ink;
  pen.font = `700 ${Math.round(half * 1.5)}px ${FONT}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(words, x, y + 0.5);
}

/** Marks on a picture: where it comes from, unless from the data, and whether something is wrong with it. */
export function paintBadges(pen: Pen, scene: Scene, look: Look, item: number, [left, top, side]: [number, number, number]): void {
  const inset = Math.min(10, Math.max(5, side / 7));
  const said = BADGES[scene.items.sourceOf(item)];
  if (said !== undefined) badge(pen, said, left + inset, top + inset, side, [look.paper, look.accent]);
  if ((scene.items.flag[item] ?? 0) > 0) badge(pen, "!", left + side - inset, top + inset, side, [look.bad, look.paper]);
}

/** Frames of a cell: what the overlay says of it, and whether it is chosen or found. */
export function paintFrames(pen: Pen, scene: Scene, look: Look, item: number, [left, top, side]: [number, number, number]): void {
  const thick = Math.min(6, Math.max(2, side * 0.07));
  const frame = (ink: string, width: number, inset: number): void => {
    pen.strokeStyle = ink;
    pen.lineWidth = width;
    pen.strokeRect(left + inset, top + inset, side - 2 * inset, side - 2 * inset);
  };
  if (scene.overlay !== null && scene.store !== null) frame(cssOf(scene.overlay.colours[item] ?? 0), thick, thick / 2);
  const chosen = scene.selected[item] === 1;
  if (!chosen && scene.hits[item] !== 1) return;
  frame(look.paper, thick + 2, thick / 2 + 1);
  frame(chosen ? look.accent : look.focus, thick, thick / 2);
}
