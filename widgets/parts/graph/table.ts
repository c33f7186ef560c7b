import { html } from "../dom";
import type { Graph } from "./data";
import { signed } from "./scales";

const HEADS = ["Unit", "Score", "Classes", "Fed by", "Feeds", "Audit"];
const NEIGHBOURS = 3;

function strongest(graph: Graph, node: number, edges: number[]): string {
  const names = edges.slice(0, NEIGHBOURS).map((edge) => `${graph.nodes.unit[graph.other(edge, node)]} (${signed(graph.weight[edge] ?? 0)})`);
  return names.length === 0 ? "–" : names.join(", ") + (edges.length > NEIGHBOURS ? ` and ${edges.length - NEIGHBOURS} more` : "");
}

function line(graph: Graph, node: number, edges: Set<number>): HTMLElement {
  const { unit, score, classes, verdict } = graph.nodes;
  const met = (graph.edgesOf[node] ?? []).filter((edge) => edges.has(edge));
  const cells = [
    String(Number((score[node] ?? 0).toPrecision(3))),
    String(classes[node] ?? "–"),
    strongest(graph, node, met.filter((edge) => graph.target[edge] === node)),
    strongest(graph, node, met.filter((edge) => graph.source[edge] === node)),
    verdict[node] || "–",
  ];
  return html("tr", {}, html("th", { scope: "row" }, unit[node] ?? ""), ...cells.map((cell) => html("td", {}, cell)));
}

/** The shown part of the graph as a table, which is made when it is opened. */
export class GraphTable {
  readonly element = html("details", { class: "fvh-twin" }, html("summary", {}, "Table of units"));
  private readonly body = html("tbody");

  constructor(
    private readonly graph: Graph,
    private readonly shown: () => { nodes: Uint8Array; edges: number[] },
  ) {
    const heads = HEADS.map((words) => html("th", { scope: "col" }, words));
    const caption = html("caption", { class: "fvh-hidden" }, "Units of the graph");
    const table = html("table", { class: "fvh-table" }, caption, html("thead", {}, html("tr", {}, ...heads)), this.body);
    this.element.append(html("div", { class: "fvh-scroll" }, table));
    this.element.addEventListener("toggle", () => this.draw());
  }

  draw(): void {
    if (!this.element.open) return;
    const { nodes, edges } = this.shown();
    const { row, score } = this.graph.nodes;
    const order = row.flatMap((_, node) => (nodes[node] === 1 ? [node] : []));
    order.sort((a, b) => (row[a] ?? 0) - (row[b] ?? 0) || (score[b] ?? 0) - (score[a] ?? 0));
    const visible = new Set(edges);
    this.body.replaceChildren(...order.map((node) => line(this.graph, node, visible)));
  }
}
