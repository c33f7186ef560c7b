import { expect, test, vi } from "vitest";

import view from "../forming";

const STATE = { names: [], spans: [], pixelated: false, said: "step 1 of 9", share: 0.1, finished: false };

function show(manager: object): { el: HTMLElement; model: Record<string, unknown>; end: () => void } {
  const state: Record<string, unknown> = { ...STATE, blobs: new DataView(new ArrayBuffer(0)) };
  const listeners: Record<string, () => void> = {};
  const model = {
    get: (name: string) => state[name],
    on: (name: string, listen: () => void) => (listeners[name] = listen),
    off: (name: string) => delete listeners[name],
    widget_manager: manager,
  };
  const el = document.createElement("div");
  view.render({ model, el } as never);
  const end = (): void => {
    state.finished = true;
    listeners["change:said"]?.();
  };
  return { el, model, end };
}

test("the button interrupts the kernel, once", () => {
  const interrupt = vi.fn(() => Promise.resolve());
  const { el, end } = show({ kernel: { interrupt } });
  const button = el.querySelector("button")!;
  expect(el.textContent).not.toContain("Interrupting the cell");
  button.click();
  button.click();
  expect(interrupt).toHaveBeenCalledTimes(1);
  expect(button.textContent).toBe("Stopping after this step");
  end();
  expect(button.hidden).toBe(true);
});

test("a manager that knows no kernel leaves the interrupt of the notebook", () => {
  for (const manager of [{}, { kernel: null }, { kernel: {} }]) {
    const { el, end } = show(manager);
    const hint = el.querySelector<HTMLElement>(".fvh-phrase")!;
    expect(el.querySelector("button")).toBeNull();
    expect(hint.textContent).toContain("Interrupting the cell");
    end();
    expect(hint.hidden).toBe(true);
  }
});

test("an interrupt that is refused says how to do it oneself", async () => {
  const { el } = show({ kernel: { interrupt: () => Promise.reject(new Error("no")) } });
  el.querySelector("button")!.click();
  await new Promise((done) => setTimeout(done));
  expect(el.querySelector("button")).toBeNull();
  expect(el.textContent).toContain("Interrupting the cell");
});
