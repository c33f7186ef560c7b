import { html } from "./dom";
import type { Top } from "./types";

const percent = (fraction: number): string => `${(100 * fraction).toFixed(2)}%`;

function outline(box: Top["box"]): HTMLElement | null {
  if (box === null) return null;
  const [top, left, height, width] = box.map(percent);
  return html("span", { class: "fvh-outline", style: `top:${top};left:${left};height:${height};width:${width}` });
}

function item(top: Top, url: string | undefined): HTMLElement {
  const about = `${top.label} ${top.id}`.trim();
  const where = top.box === null ? "" : ", with an outline where the unit fired";
  const image = (src: string): HTMLElement => html("img", { src, alt: `Image ${about}${where}` });
  const picture = url === undefined ? null : html("span", { class: "fvh-thumb" }, image(url), outline(top.box));
  const value = html("span", { class: "fvh-value" }, top.value);
  return html("li", { title: about }, picture, value, html("span", { class: "fvh-label" }, top.label || top.id));
}

/** The real images in which the unit fired most, strongest first. */
export function drawTops(tops: Top[], urls: string[]): HTMLElement {
  return html("ol", { class: "fvh-tops" }, ...tops.map((top, index) => item(top, urls[index])));
}
