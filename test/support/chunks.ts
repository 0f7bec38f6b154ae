import type { Cutter } from '../../src/modules/kube/cutter.js';

/** Cuts bytes into chunks of the given sizes, over and over. */
export function chunksOf(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let from = 0;
  for (let index = 0; from < bytes.length; index++) {
    const size = sizes[index % sizes.length] ?? 1;
    chunks.push(bytes.subarray(from, from + size));
    from += size;
  }
  return chunks;
}

/** All texts that a cutter finds in these chunks. */
export function cutAll(cutter: Cutter, chunks: readonly Buffer[]): string[] {
  const texts: string[] = [];
  for (const chunk of chunks) {
    let from = 0;
    for (let cut = cutter.next(chunk, from); cut !== undefined; cut = cutter.next(chunk, from)) {
      texts.push(cut.text);
      from = cut.next;
    }
  }
  return texts;
}
