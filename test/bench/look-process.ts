/**
 * Looks for Pods that became ready, in a process of its own, so that what the load costs doesn't count as waiting: a bare watch notes when the API
 * server tells of each, and the controller is asked, one question at a time, until it shows each. Takes {@link LookOptions} as its first
 * argument and names of Pods as lines on its standard input, in the order in which they are annotated; ends with that, once all were seen, and
 * prints {@link Seen} as JSON.
 */
import { Agent } from 'node:http';
import { createInterface } from 'node:readline';
import { LEGACY_READY_AT } from '../../src/datapath/annotations.js';
import { connect } from '../../src/modules/kube/connect.js';
import { LineSplitter } from '../../src/modules/kube/line-splitter.js';
import type { WatchLine } from '../../src/modules/kube/watch-line.js';
import { PODS } from '../../src/modules/pods/pod.resource.js';
import { fetchText } from './ask.js';
import { BATCH_LABEL, batchOf, everyClockMs } from './steady.js';

export interface LookOptions {
  readonly kubeconfig: string;
  readonly namespace: string;
  /** Where the controller answers. */
  readonly url: string;
}

/** By name of the Pod, milliseconds of {@link everyClockMs}. */
export interface Seen {
  /** When the bare watch brought its readiness. */
  readonly watched: Readonly<Record<string, number>>;
  /** When the first answer that shows it as ready was there. */
  readonly shown: Readonly<Record<string, number>>;
}

interface Answer {
  readonly worstPods: readonly { readonly name: string }[];
}

/** Between two looks, milliseconds. */
const LOOK_MS = 5;
/** How long anything may stay away, milliseconds. */
const LIMIT_MS = 60_000;

const { kubeconfig, namespace, url } = JSON.parse(process.argv[2] ?? '{}') as LookOptions;
const watched: Record<string, number> = {};
const shown: Record<string, number> = {};
/** Names that aren't shown yet, by batch, in the order in which they came. */
const waiting = new Map<string, Set<string>>();
let given = 0;
let complete = false;

const client = connect({ kubeconfig });
const stop = new AbortController();
const response = await client.watch(PODS, { namespace, timeoutSeconds: 600, signal: stop.signal });
const lines = new LineSplitter();
response.on('error', () => undefined);
response.on('data', (chunk: Buffer) => {
  const at = everyClockMs();
  for (let cut = lines.next(chunk, 0); cut !== undefined; cut = lines.next(chunk, cut.next)) {
    const { metadata } = (JSON.parse(cut.text) as WatchLine).object;
    if (metadata.annotations?.[LEGACY_READY_AT] !== undefined) watched[metadata.name] ??= at;
  }
});

createInterface({ input: process.stdin })
  .on('line', (name) => {
    given++;
    const batch = batchOf(name);
    waiting.set(batch, (waiting.get(batch) ?? new Set()).add(name));
  })
  .on('close', () => {
    complete = true;
  });
process.stdout.write('ready\n');

const agent = new Agent({ keepAlive: true, maxSockets: 1 });
for (let lastSeenAt = everyClockMs(); ;) {
  for (const [batch, names] of waiting) {
    const query = `namespace=${namespace}&topN=1000&labelSelector=${BATCH_LABEL}%3D${batch}`;
    const answer = JSON.parse(await fetchText(agent, `${url}/api/v1/time-to-datapath-ready?${query}`)) as Answer;
    const at = everyClockMs();
    for (const { name } of answer.worstPods) {
      if (!names.delete(name)) continue;
      shown[name] = at;
      lastSeenAt = at;
    }
    if (names.size === 0) waiting.delete(batch);
  }
  if (complete && waiting.size === 0 && Object.keys(watched).length >= given) break;
  if (complete && everyClockMs() - lastSeenAt > LIMIT_MS) throw new Error(`${waiting.size} batches are never shown`);
  await new Promise((done) => setTimeout(done, LOOK_MS));
}
agent.destroy();
stop.abort();
client.close();
process.stdout.write(JSON.stringify({ watched, shown } satisfies Seen));
