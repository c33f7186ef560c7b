import { html } from "../dom";
import type { AtlasFacts, Graph } from "./data";
import { sideClass } from "./scales";

const SYMBOLS: Record<string, string> = { contradicted: "✕", inconclusive: "?", "not contradicted": "○" };

/** Where in the atlas a tile lies, as the style of an element of a given side. */
export function tileStyle(atlas: AtlasFacts, place: number, side: number): string {
  const [scale, pitch] = [side / atlas.tile, atlas.tile + 2 * atlas.border];
  const left = ((place % atlas.columns) * pitch + atlas.border) * scale;
  const top = (Math.floor(place / atlas.columns) * pitch + atlas.border) * scale;
  const [width, height] = [atlas.columns * pitch * scale, atlas.rows * pitch * scale];
  const px = (value: number): string => `${Math.round(value * 100) / 100}px`;
  return `background-position:-${px(left)} -${px(top)};background-size:${px(width)} ${px(height)}`;
}

/** A node in words, for those who do not see it. */
export function nodeName(graph: Graph, node: number): string {
  const { unit, score, classes, verdict } = graph.nodes;
  const many = classes[node];
  const parts = [unit[node] ?? "", `score ${Number((score[node] ?? 0).toPrecision(3))}`];
  if (many !== null && many !== undefined) parts.push(`used by ${many} ${many === 1 ? "class" : "classes"}`);
  if (verdict[node]) parts.push(`audit: ${verdict[node]}`);
  return parts.join(", ");
}

/** What a node shows: its picture or a plain tile, its channel above, and marks for the audit and for classes that share it. */
export function drawTile(graph: Graph, node: number, side: number): HTMLElement[] {
  const { channel, classes, verdict, thumb } = graph.nodes;
  const { atlas } = graph.facts;
  const place = thumb[node] ?? -1;
  const pictured = atlas !== null && place >= 0;
  const look = pictured ? `fvh-tile${atlas.pixelated ? " fvh-pixelated" : ""}` : "fvh-tile fvh-plain";
  const words = pictured ? null : String(channel[node] ?? "");
  const parts = [
    html("span", { class: look, style: pictured ? tileStyle(atlas, place, side) : null }, words),
    html("span", { class: "fvh-channel", "aria-hidden": "true" }, String(channel[node] ?? "")),
  ];
  const said = verdict[node] ?? "";
  if (said !== "") {
    parts.push(html("span", { class: "fvh-seal", "data-verdict": said, "aria-hidden": "true" }, SYMBOLS[said] ?? "–"));
  }
  const many = classes[node];
  if (many !== null && many !== undefined && many > 1) {
    parts.push(html("span", { class: "fvh-many", title: `used by ${many} classes`, "aria-hidden": "true" }, String(many)));
  }
  return parts;
}

/** The style classes of a node. */
export function nodeClass(graph: Graph, node: number, more = ""): string {
  return ["fvh-node", sideClass(graph.nodes.side[node]) ?? "", more].filter((word) => word !== "").join(" ");
}
