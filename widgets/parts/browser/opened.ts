import { act } from "../controls";
import { html } from "../dom";

/** A map or a circuit that was opened: a page within the page, which runs apart from it. */
export class Opened {
  readonly element = html("div", { class: "fvh-opened", hidden: true });
  private frame: HTMLIFrameElement | null = null;

  /** `chosen` is told what is selected inside. */
  constructor(private readonly chosen: (units: string[]) => void) {
    window.addEventListener("message", this.heard);
  }

  /** Show a page in light or dark, as the view itself is. */
  show(title: string, page: string): void {
    const light = getComputedStyle(this.element).colorScheme !== "dark";
    const head = `<meta charset="utf-8"><style>body{margin:0}.fvhooks.fvhooks{max-width:none;border:0}</style>`;
    // nothing in it can reach the notebook: its scripts run in an origin of their own
    this.frame = html("iframe", { sandbox: "allow-scripts", title, srcdoc: `<!doctype html><html lang="en" data-fvh-within data-jp-theme-light="${light}"><head>${head}</head><body>${page}</body></html>` });
    const bar = html("div", { class: "fvh-acts" }, html("h4", {}, title), act("Close", () => this.close(), `Close: ${title}`));
    this.element.replaceChildren(bar, this.frame);
    this.element.hidden = false;
    this.element.scrollIntoView?.({ block: "nearest" });
  }

  /** Say what is being done, or what went wrong. */
  say(words: string, wrong = false): void {
    this.frame = null;
    this.element.replaceChildren(html("p", { class: "fvh-note", role: wrong ? "alert" : "status" }, words));
    this.element.hidden = false;
  }

  close(): void {
    this.frame = null;
    this.element.replaceChildren();
    this.element.hidden = true;
  }

  release(): void {
    window.removeEventListener("message", this.heard);
    this.close();
  }

  private readonly heard = (event: MessageEvent): void => {
    if (this.frame === null || event.source !== this.frame.contentWindow) return;
    const said: unknown = (event.data as { fvhooks?: unknown } | null)?.fvhooks;
    if (Array.isArray(said)) this.chosen(said.filter((one): one is string => typeof one === "string"));
  };
}
