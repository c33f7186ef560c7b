import { html } from "./dom";

type Listener = (...args: unknown[]) => void;

/** What stands in for a notebook's model on a page without a kernel: it holds the state and tells of changes. */
export class StaticModel<T extends { blobs: DataView }> {
  private readonly state: T;
  private readonly listeners = new Map<string, Set<Listener>>();

  constructor(text: string) {
    const state = JSON.parse(text) as Omit<T, "blobs"> & { blobs: string };
    const letters = atob(state.blobs);
    const bytes = new Uint8Array(letters.length);
    for (let at = 0; at < letters.length; at += 1) bytes[at] = letters.charCodeAt(at); // much faster than Uint8Array.from with a function
    this.state = { ...state, blobs: new DataView(bytes.buffer) } as unknown as T;
  }

  get<K extends keyof T>(name: K): T[K] {
    return this.state[name];
  }

  set<K extends keyof T>(name: K, value: T[K]): void {
    if (this.state[name] === value) return;
    this.state[name] = value;
    for (const listen of this.listeners.get(`change:${String(name)}`) ?? []) listen();
  }

  on(name: string, listen: Listener): void {
    this.listeners.set(name, (this.listeners.get(name) ?? new Set()).add(listen));
  }

  off(name: string, listen: Listener): void {
    this.listeners.get(name)?.delete(listen);
  }

  save_changes(): void {
    // there is no kernel to save to; a view that shows this page inside itself asks to be told
    const { selected } = this.state as { selected?: unknown };
    if ("fvhWithin" in document.documentElement.dataset) window.parent.postMessage({ fvhooks: selected ?? [] }, "*");
  }

  send(): void {
    // nor one that answers
  }
}

/** Start on a page that was written without a kernel: the state stands in the page, and `show` a view of it. */
export function mountStatic<T extends { blobs: DataView }>(show: (model: StaticModel<T>, root: HTMLElement) => void): void {
  const state = document.querySelector("script.fvh-state:not([data-used])");
  const el = document.querySelector<HTMLElement>(".fvh-mount");
  if (state === null || el === null) return;
  state.setAttribute("data-used", "");
  const root = html("div", {});
  (el.closest(".fvhooks") ?? el).replaceWith(root);
  show(new StaticModel<T>(state.textContent ?? ""), root);
}
