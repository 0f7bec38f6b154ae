/** Progress on standard error: one line that changes on a terminal, a line now and then elsewhere. */
const EVERY_MS = 2_000;

export class Progress {
  readonly #startedAt = Date.now();
  readonly #live: boolean;
  #step = '';
  #notedAt = 0;
  #open = false;

  constructor(private readonly stream: NodeJS.WriteStream) {
    this.#live = stream.isTTY;
  }

  step(text: string): void {
    this.#step = text;
    this.#notedAt = Date.now();
    this.#print('');
  }

  note(text: string): void {
    if (!this.#live && Date.now() - this.#notedAt < EVERY_MS) return;
    this.#notedAt = Date.now();
    this.#print(`: ${text}`);
  }

  done(): void {
    if (this.#open) this.stream.write('\n');
    this.#open = false;
  }

  #print(detail: string): void {
    const seconds = ((Date.now() - this.#startedAt) / 1000).toFixed(1).padStart(5);
    const line = `[${seconds} s] ${this.#step}${detail}`;
    if (!this.#live) {
      this.stream.write(`${line}\n`);
      return;
    }
    this.stream.write(`${this.#open ? '\r\u001b[K' : ''}${line.slice(0, (this.stream.columns || 80) - 1)}`);
    this.#open = true;
  }
}
