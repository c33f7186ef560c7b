import type { AnyModel, RenderProps } from "@anywidget/types";

import { Pictures } from "./parts/blobs";
import { html } from "./parts/dom";
import type { Span } from "./parts/types";

interface State {
  names: string[];
  spans: Span[];
  pixelated: boolean;
  said: string;
  share: number;
  finished: boolean;
  blobs: DataView;
}

interface Kernel {
  interrupt(): Promise<void>;
}

/**
 * The kernel behind a widget, where the notebook's widget manager knows it, as that of JupyterLab and Notebook 7 does.
 * Its interrupt goes through the server and reaches a cell that runs; a message to the widget waits for the cell's end.
 */
function kernelOf(model: AnyModel<State>): Kernel | null {
  const { kernel } = (model.widget_manager ?? {}) as { kernel?: Partial<Kernel> | null };
  return typeof kernel?.interrupt === "function" ? (kernel as Kernel) : null;
}

/** One view of pictures that are being made: how far they are, how to stop, and the pictures. */
class FormingView {
  private pictures = new Pictures();
  private readonly said = html("p", { class: "fvh-subtitle" });
  private readonly bar = html("progress", { max: 1, "aria-label": "Work done" });
  private readonly grid = html("div", { class: "fvh-grid" });
  private readonly hint = html("p", { class: "fvh-phrase" }, "Interrupting the cell (■) stops and keeps the pictures.");
  private readonly button = html("button", { type: "button" }, "Stop, keep the pictures");

  constructor(
    private readonly model: AnyModel<State>,
    el: HTMLElement,
  ) {
    const head = html("header", {}, this.bar, this.said, kernelOf(model) ? this.button : this.hint);
    el.append(html("section", { class: "fvhooks", "aria-label": "Pictures as they form" }, head, this.grid));
    this.button.addEventListener("click", this.stop);
    model.on("change:blobs", this.draw);
    model.on("change:said", this.tell);
    this.draw();
    this.tell();
  }

  destroy(): void {
    this.model.off("change:blobs", this.draw);
    this.model.off("change:said", this.tell);
    this.pictures.release();
  }

  private readonly tell = (): void => {
    this.said.textContent = this.model.get("said");
    this.bar.value = this.model.get("share");
    this.hint.hidden = this.button.hidden = this.model.get("finished");
  };

  /** Once: a second interrupt would end the call and lose the pictures. */
  private readonly stop = (): void => {
    this.button.disabled = true;
    this.button.textContent = "Stopping after this step";
    kernelOf(this.model)?.interrupt().catch(() => {
      this.button.replaceWith(this.hint);
    });
  };

  private readonly draw = (): void => {
    const before = this.pictures;
    this.pictures = new Pictures();
    const urls = this.pictures.all(this.model.get("blobs"), this.model.get("spans"));
    const look = this.model.get("pixelated") ? "fvh-pixelated" : null;
    const figures = this.model.get("names").slice(0, urls.length).map((name, index) =>
      html("figure", {}, html("img", { src: urls[index] ?? "", alt: name, class: look }), html("figcaption", {}, name)),
    );
    this.grid.replaceChildren(...figures);
    before.release();
  };
}

function render({ model, el }: RenderProps<State>): () => void {
  const view = new FormingView(model, el);
  return () => view.destroy();
}

export default { render };
