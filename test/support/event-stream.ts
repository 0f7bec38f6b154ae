/** A caller of Server-Sent Events, as the specification reads them: fields, ids that stay, blank line ends an event. */
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';

export interface StreamEvent {
  readonly event: string;
  readonly data: string;
  readonly id: string;
}

export interface EventStream {
  readonly response: IncomingMessage;
  /** The id of the last event taken. */
  readonly lastEventId: string;
  /** Resolves when the connection is over. */
  readonly closed: Promise<void>;
  /** The next event of a kind; others are passed over. Rejects after `timeoutMs`, and when the stream ends. */
  next(event: string, timeoutMs?: number): Promise<StreamEvent>;
  close(): void;
}

export function openEventStream(url: string, headers: Record<string, string> = {}): Promise<EventStream> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      { headers: { accept: 'text/event-stream', ...headers }, agent: false },
      (response) => {
        resolve(follow(response, () => outgoing.destroy()));
      },
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
}

function follow(response: IncomingMessage, close: () => void): EventStream {
  const events: StreamEvent[] = [];
  let wake: () => void = () => undefined;
  let rest = '';
  let seenId = '';
  let takenId = '';
  let over = false;
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      let event = 'message';
      const data: string[] = [];
      for (const line of block.split('\n')) {
        const [field, value] = [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trimStart()];
        if (field === 'event') event = value;
        else if (field === 'data') data.push(value);
        else if (field === 'id') seenId = value;
      }
      if (data.length > 0) events.push({ event, data: data.join('\n'), id: seenId });
    }
    wake();
  });
  const closed = new Promise<void>((resolve) => {
    response.on('close', () => {
      over = true;
      wake();
      resolve();
    });
  });
  response.on('error', () => undefined);

  return {
    response,
    closed,
    close,
    get lastEventId() {
      return takenId;
    },
    async next(event, timeoutMs = 10_000) {
      const deadline = performance.now() + timeoutMs;
      for (;;) {
        const found = events.shift();
        if (found !== undefined) {
          takenId = found.id;
          if (found.event === event) return found;
          continue;
        }
        if (over) throw new Error(`the stream ended without an event "${event}"`);
        const left = deadline - performance.now();
        if (left <= 0) throw new Error(`no event "${event}" within ${String(timeoutMs)} ms`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, left);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
  };
}
