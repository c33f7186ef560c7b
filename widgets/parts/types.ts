// What Python sends; the same words as in fvhooks/widgets/facts.py.

export type Span = [start: number, end: number];

export interface Histogram {
  bars: [left: number, width: number, height: number][]; // fractions of the plot
  ticks: [at: number, text: string][];
  marks: (number | null)[]; // where each seed's own activation lies
  labels: string[];
  summary: string;
}

export interface Top {
  id: string;
  label: string;
  value: string;
  box: [top: number, left: number, height: number, width: number] | null; // fractions of the picture
}

export interface Check {
  check: string;
  family: string;
  numbers: string;
  limit: string;
  verdict: string;
  reason: string;
}

export interface Badge {
  claim: string;
  verdict: string;
}

export interface Facts {
  id: string;
  subtitle: string;
  pixelated: boolean;
  histogram: Histogram | null;
  natural: string;
  phrases: string[];
  tops: Top[];
  checks: Check[];
  badges: Badge[];
  notes: string[];
}

export interface Spans {
  pictures: Span[];
  masks: Span[];
  tops: Span[];
}

export interface UnitContent {
  facts: Facts;
  spans: Spans;
}
