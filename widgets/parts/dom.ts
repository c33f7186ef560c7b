const SVG = "http://www.w3.org/2000/svg";

export type Attributes = Record<string, string | number | boolean | null>;
export type Child = Node | string | null;

function fill<E extends Element>(node: E, attributes: Attributes, children: Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child !== null) node.append(child); // strings become text nodes, never markup
  return node;
}

/** An HTML element; children that are strings are text. */
export function html<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element; children that are strings are text. */
export function svg(tag: string, attributes: Attributes = {}, ...children: Child[]): SVGElement {
  return fill(document.createElementNS(SVG, tag) as SVGElement, attributes, children);
}

let made = 0;

/** An id that is unique in the page, so that two views of one widget do not share any. */
export function uniqueId(): string {
  made += 1;
  return `fvh-${made}`;
}
