/** So many different values are remembered; when there are more, all are forgotten and sharing begins anew. */
const MAX_VALUES = 4_096;

/** Gives the same object for the same content, so that what many hold takes memory once. Values must never be changed. */
export class Sharing<T> {
  readonly #byText = new Map<string, T>();

  /** @param textOf a text that is the same for the same content alone */
  constructor(private readonly textOf: (value: T) => string = (value) => JSON.stringify(value)) {}

  of(value: T): T {
    const text = this.textOf(value);
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    if (this.#byText.size >= MAX_VALUES) this.#byText.clear();
    this.#byText.set(text, value);
    return value;
  }
}
