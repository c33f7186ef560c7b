import { drawAudit, drawBadges } from "./audit";
import type { Pictures } from "./blobs";
import { html } from "./dom";
import { drawHistogram } from "./histogram";
import { drawPicture } from "./picture";
import { roving } from "./roving";
import { drawTops } from "./strip";
import type { Facts, Spans, UnitContent } from "./types";

export interface Loaded {
  facts: Facts;
  urls: { pictures: string[]; masks: string[]; tops: string[] };
}

/** What a card shows, with its pictures as URLs. */
export function loadedOf(pictures: Pictures, { facts, spans }: UnitContent, packed: DataView): Loaded {
  const urls = (key: keyof Spans): string[] => pictures.all(packed, spans[key]);
  return { facts, urls: { pictures: urls("pictures"), masks: urls("masks"), tops: urls("tops") } };
}

/** What is chosen on a card; the model keeps it, so that all views of it agree. */
export interface CardChoices {
  seeds: () => number[];
  seed: () => number;
  faded: () => boolean;
  choose: (seed: number) => void;
  fade: (faded: boolean) => void;
}

/** The card of one unit: its pictures, natural activations, audit and real images. */
export class Card {
  readonly parts: HTMLElement[];
  private readonly stage = html("div", { class: "fvh-stage" });
  private readonly plot = html("div");
  private readonly phrase = html("p", { class: "fvh-phrase", "aria-live": "polite" });
  private readonly box = html("input", { type: "checkbox" });
  private readonly markSeed: (index: number) => void;

  constructor(
    private readonly loaded: Loaded,
    private readonly choices: CardChoices,
  ) {
    const { facts, urls } = loaded;
    const [seedRow, markSeed] = this.drawSeeds(urls.pictures, facts.pixelated);
    this.markSeed = markSeed;
    const toggle = urls.masks.length > 0 ? this.drawToggle() : null;
    const left = html("div", { class: "fvh-left" }, this.stage, drawBadges(facts.badges), seedRow, toggle);
    const natural = html("p", { class: "fvh-phrase" }, facts.natural);
    const right = html("div", { class: "fvh-right" }, ...section("Natural activations", this.plot, natural, this.phrase));
    const head = html("header", {}, html("h3", {}, facts.id), html("p", { class: "fvh-subtitle" }, facts.subtitle));
    this.parts = [head, html("div", { class: "fvh-body" }, left, right), ...topsOf(facts, urls.tops), ...auditOf(facts), ...notesOf(facts)];
    this.showSeed();
  }

  /** Follow the chosen seed. */
  showSeed(): void {
    const { facts, urls } = this.loaded;
    const seeds = this.choices.seeds();
    const seed = Math.max(0, seeds.indexOf(this.choices.seed()));
    const alt = `What ${facts.id} looks for, seed ${seeds[seed]}`;
    const [url, mask] = [urls.pictures[seed], urls.masks[seed] ?? null];
    const none = html("p", { class: "fvh-phrase" }, "No picture was made of this unit.");
    this.stage.replaceChildren(url === undefined ? none : drawPicture({ url, mask, alt, pixelated: facts.pixelated }));
    this.plot.replaceChildren(...(facts.histogram === null ? [] : [drawHistogram(facts.histogram, seed)]));
    this.phrase.textContent = facts.phrases[seed] ?? "";
    this.markSeed(seed);
  }

  /** Follow whether pictures are faded. */
  showFaded(): void {
    this.box.checked = this.choices.faded();
  }

  private drawSeeds(urls: string[], pixelated: boolean): [HTMLElement, (index: number) => void] {
    const seeds = this.choices.seeds();
    const buttons = urls.map((src, index) => {
      const image = html("img", { src, alt: "", class: pixelated ? "fvh-pixelated" : null });
      return html("button", { type: "button", role: "radio", class: "fvh-seed", "aria-label": `Seed ${seeds[index]}` }, image);
    });
    const choose = roving(buttons, "aria-checked", (index) => this.choices.choose(seeds[index] ?? 0));
    const row = html("div", { class: "fvh-seeds", role: "radiogroup", "aria-label": "Seeds" }, ...buttons);
    row.hidden = buttons.length < 2;
    return [row, choose];
  }

  private drawToggle(): HTMLElement {
    this.showFaded();
    this.box.addEventListener("change", () => this.choices.fade(this.box.checked));
    return html("label", { class: "fvh-toggle" }, this.box, "Fade what did not matter");
  }
}

function section(title: string, ...content: HTMLElement[]): HTMLElement[] {
  return [html("h4", {}, title), ...content];
}

const auditOf = (facts: Facts): HTMLElement[] => (facts.checks.length > 0 ? section("Audit", drawAudit(facts.checks)) : []);

const topsOf = (facts: Facts, urls: string[]): HTMLElement[] =>
  facts.tops.length > 0 ? section("Real images that activate it most", drawTops(facts.tops, urls)) : [];

const notesOf = (facts: Facts): HTMLElement[] => facts.notes.map((note) => html("p", { class: "fvh-note" }, note));
