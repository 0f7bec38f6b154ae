/**
 * The first `k` of many items in a total order, without sorting them all: a heap whose root is the last of those kept.
 */
export class TopK<T> {
  readonly #heap: T[] = [];
  readonly #k: number;
  readonly #compare: (a: T, b: T) => number;

  /** @param compare negative where `a` comes before `b` */
  constructor(k: number, compare: (a: T, b: T) => number) {
    this.#k = k;
    this.#compare = compare;
  }

  add(item: T): void {
    const heap = this.#heap;
    if (heap.length < this.#k) {
      heap.push(item);
      this.#up(heap.length - 1);
    } else if (this.#k > 0 && this.#compare(item, heap[0] as T) < 0) {
      heap[0] = item;
      this.#down();
    }
  }

  /** The items kept, first one first. */
  sorted(): T[] {
    return this.#heap.toSorted(this.#compare);
  }

  #up(from: number): void {
    const heap = this.#heap;
    let child = from;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (this.#compare(heap[child] as T, heap[parent] as T) <= 0) return;
      [heap[child], heap[parent]] = [heap[parent] as T, heap[child] as T];
      child = parent;
    }
  }

  #down(): void {
    const heap = this.#heap;
    let parent = 0;
    for (;;) {
      let last = 2 * parent + 1;
      if (last >= heap.length) return;
      if (last + 1 < heap.length && this.#compare(heap[last + 1] as T, heap[last] as T) > 0) last++;
      if (this.#compare(heap[last] as T, heap[parent] as T) <= 0) return;
      [heap[last], heap[parent]] = [heap[parent] as T, heap[last] as T];
      parent = last;
    }
  }
}
