import { html } from "./dom";

export interface Shown {
  url: string;
  mask: string | null;
  alt: string;
  pixelated: boolean;
}

/** A picture over a checkerboard, which shows through where the picture is faded. */
export function drawPicture(shown: Shown): HTMLElement {
  const image = html("img", { src: shown.url, alt: shown.alt, class: shown.pixelated ? "fvh-pixelated" : null });
  if (shown.mask !== null) {
    image.classList.add("fvh-masked");
    image.style.setProperty("--fvh-mask", `url("${shown.mask}")`);
  }
  return html("div", { class: "fvh-frame" }, image);
}
