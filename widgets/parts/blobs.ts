import type { Span } from "./types";

const PNG_FIRST_BYTE = 0x89;

/** The bytes from `start` to `end` of a packed buffer, without a copy. */
export function slice(packed: DataView, [start, end]: Span): Uint8Array<ArrayBuffer> {
  return new Uint8Array(packed.buffer as ArrayBuffer, packed.byteOffset + start, end - start);
}

/** Object URLs that live as long as the view that made them. */
export class Pictures {
  private readonly urls: string[] = [];

  /** A URL for one encoded picture. */
  url(bytes: Uint8Array<ArrayBuffer>): string {
    const type = bytes[0] === PNG_FIRST_BYTE ? "image/png" : "image/jpeg";
    const url = URL.createObjectURL(new Blob([bytes], { type }));
    this.urls.push(url);
    return url;
  }

  /** URLs for several pictures of one packed buffer. */
  all(packed: DataView, spans: Span[]): string[] {
    return spans.map((span) => this.url(slice(packed, span)));
  }

  release(): void {
    for (const url of this.urls.splice(0)) URL.revokeObjectURL(url);
  }
}
