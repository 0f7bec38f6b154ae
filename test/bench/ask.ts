/** Clients of the API that ask again and again, and how long each answer took. */
import { Agent, get } from 'node:http';

export interface AskOptions {
  readonly url: string;
  /** Paths with their queries; each client goes through them in turn. */
  readonly paths: readonly string[];
  /** How many ask at the same time, each over a connection of its own. */
  readonly clients: number;
  /** Milliseconds from one question of a client to its next; 0 asks as soon as the answer is there. */
  readonly everyMs: number;
  /** Asked this often by each client; without it until `signal` ends it. */
  readonly questions?: number;
  readonly signal?: AbortSignal;
}

/** @returns milliseconds from each question to the last byte of its answer. @throws Error for an answer that isn't 200 */
export async function ask(options: AskOptions): Promise<number[]> {
  const { url, paths, clients, everyMs, questions = Number.POSITIVE_INFINITY, signal } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const times: number[] = [];
  const client = async (number: number): Promise<void> => {
    // Spread over the interval, as people who open a page are.
    if (everyMs > 0) await pause((everyMs * number) / clients);
    for (let i = 0; i < questions && signal?.aborted !== true; i++) {
      const startedAt = performance.now();
      await fetchText(agent, `${url}${paths[(i + number) % paths.length]}`);
      const took = performance.now() - startedAt;
      times.push(took);
      if (everyMs > 0) await pause(Math.max(0, everyMs - took));
    }
  };
  try {
    await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
  } finally {
    agent.destroy();
  }
  return times;
}

/** The text of an answer. @throws Error for one that isn't 200 */
export function fetchText(agent: Agent | undefined, url: string): Promise<string> {
  return new Promise((done, reject) => {
    const request = get(url, { agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode === 200) done(text);
        else reject(new Error(`${url}: ${response.statusCode} ${text.slice(0, 300)}`));
      });
    });
    request.on('error', reject);
  });
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, milliseconds));
}
