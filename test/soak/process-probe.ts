/** What a controller process holds: by its own metrics, and by what the kernel says of it. */
import { readdirSync, readlinkSync } from 'node:fs';
import type { ProcessSample } from '../../tools/invariants/expectations.js';

export interface Probe extends ProcessSample {
  readonly rssBytes: number;
  readonly heapBytes: number;
  readonly sockets: number;
  readonly queueDepth: number;
  readonly eventLoopDelayMs: number;
  /** Results in the index. */
  readonly results: number;
  /** Requests to the API server since the start of the process. */
  readonly requests: number;
}

/** @throws Error when the process is gone, or does not answer within ten seconds */
export async function probe(pid: number, url: string): Promise<Probe> {
  const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(10_000) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url}/metrics answered ${response.status}: ${text.slice(0, 200)}`);
  const metrics = parseMetrics(text);
  const sum = (name: string): number => {
    const values = metrics.get(name);
    if (values === undefined) throw new Error(`${url}/metrics has no ${name}`);
    return values.reduce((total, value) => total + value, 0);
  };
  return {
    at: Date.now(),
    process: 'controller',
    rssBytes: sum('process_resident_memory_bytes'),
    heapBytes: sum('nodejs_heap_size_used_bytes'),
    sockets: socketsOf(pid),
    queueDepth: sum('workqueue_depth'),
    eventLoopDelayMs: Math.round(sum('nodejs_eventloop_lag_max_seconds') * 1000),
    results: sum('datapath_results'),
    requests: sum('rest_client_requests_total'),
  };
}

/** The values of each metric of a Prometheus text, whatever its labels. */
export function parseMetrics(text: string): ReadonlyMap<string, readonly number[]> {
  const metrics = new Map<string, number[]>();
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{.*\})? (\S+)/.exec(line);
    if (match === null) continue;
    const [, name = '', value = ''] = match;
    metrics.set(name, [...(metrics.get(name) ?? []), Number(value)]);
  }
  return metrics;
}

function socketsOf(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`).startsWith('socket:');
    } catch {
      // Closed between the list and the look.
      return false;
    }
  }).length;
}
