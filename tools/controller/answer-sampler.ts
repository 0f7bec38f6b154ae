/** Asks controllers again and again, as a dashboard would, and keeps what they said for `tools/invariants` to judge. */
import type { ApiAnswer } from '../invariants/expectations.js';

interface Statistic {
  readonly count: number;
  readonly totalSuccessful: number;
  readonly totalFailed: number;
  readonly totalPending: number;
  readonly totalAborted: number;
  readonly totalUnmeasured?: number;
  readonly synced?: boolean;
  readonly failedPods: readonly { readonly uid: string }[];
}

/** Milliseconds between two questions. */
const EVERY_MS = 500;
/** Milliseconds that an answer may take; a controller that is being killed gives none. */
const TIMEOUT_MS = 5_000;

export class AnswerSampler {
  readonly answers: ApiAnswer[] = [];
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  /** @param controllers the controllers to ask, in turn */
  constructor(
    private readonly controllers: readonly { readonly url: string }[],
    private readonly namespace: string,
  ) {}

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let i = 0; !this.#stop.signal.aborted; i++) {
      const controller = this.controllers[i % this.controllers.length];
      if (controller !== undefined) await this.ask(controller.url);
      await pause(EVERY_MS, this.#stop.signal);
    }
  }

  /** One question. No answer is no sample: a controller that isn't there, or says that it doesn't know yet, claims nothing. */
  async ask(url: string): Promise<void> {
    const askedAt = Date.now();
    const path = `/api/v1/time-to-datapath-ready?namespace=${this.namespace}&topN=1000`;
    const response = await fetch(url + path, { signal: AbortSignal.timeout(TIMEOUT_MS) }).catch(() => undefined);
    const text = response?.ok === true ? await response.text().catch(() => undefined) : undefined;
    if (text === undefined) return;
    const said = JSON.parse(text) as Statistic;
    this.answers.push({
      askedAt,
      answeredAt: Date.now(),
      namespace: this.namespace,
      synced: said.synced ?? true,
      total:
        said.totalSuccessful + said.totalFailed + said.totalPending + said.totalAborted + (said.totalUnmeasured ?? 0),
      failed: said.failedPods.map((pod) => pod.uid),
    });
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((done) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      done();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });
}
