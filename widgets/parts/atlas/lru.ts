/** A map that keeps the most recently used entries only, and says goodbye to the others. */
export class Lru<V> {
  private readonly entries = new Map<string, V>();

  constructor(
    private readonly most: number,
    private readonly dropped: (value: V) => void = () => undefined,
  ) {}

  get size(): number {
    return this.entries.size;
  }

  has(key: string): boolean {
    return this.entries.has(key);
  }

  get(key: string): V | undefined {
    const value = this.entries.get(key);
    if (value === undefined) return undefined;
    this.entries.delete(key); // a Map keeps the order in which keys were set: the oldest is the first
    this.entries.set(key, value);
    return value;
  }

  set(key: string, value: V): void {
    const old = this.entries.get(key);
    if (old !== undefined && old !== value) this.dropped(old);
    this.entries.delete(key);
    this.entries.set(key, value);
    for (const [oldest, held] of this.entries) {
      if (this.entries.size <= this.most) return;
      this.entries.delete(oldest);
      this.dropped(held);
    }
  }

  clear(): void {
    for (const value of this.entries.values()) this.dropped(value);
    this.entries.clear();
  }
}
