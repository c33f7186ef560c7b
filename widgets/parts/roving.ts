const STEPS: Record<string, number> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** Where a key leads from `index` among `count` items; null for keys that lead nowhere. */
export function nextIndex(key: string, index: number, count: number): number | null {
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  const step = STEPS[key];
  return step === undefined || count === 0 ? null : (index + step + count) % count;
}

/**
 * Make a row of buttons one tab stop, in which the arrow keys, Home and End choose.
 *
 * `state` is the ARIA attribute of the chosen one: `aria-selected` for tabs, `aria-checked` for radio buttons.
 * Returns a function that marks one as chosen.
 */
export function roving(
  buttons: HTMLElement[],
  state: "aria-selected" | "aria-checked",
  choose: (index: number) => void,
): (index: number) => void {
  buttons.forEach((button, index) => {
    button.addEventListener("click", () => choose(index));
    button.addEventListener("keydown", (event) => {
      const next = nextIndex(event.key, index, buttons.length);
      if (next === null) return;
      event.preventDefault();
      event.stopPropagation(); // a notebook would move to the next cell
      choose(next);
      buttons[next]?.focus();
    });
  });
  return (chosen) => {
    const stop = Math.max(0, chosen); // where none is chosen the row can still be reached
    buttons.forEach((button, index) => {
      button.setAttribute(state, String(index === chosen));
      button.tabIndex = index === stop ? 0 : -1;
    });
  };
}
