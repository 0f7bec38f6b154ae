/** Queries over what is stored, and a cold start over it. */
import { quantile } from './process-usage.js';
import type { Subject } from './subject.js';

export interface QueryFigures {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMsPerQuery: number;
  readonly rssMb: number;
}

/** `count` queries, one after the other, over one keep-alive connection. */
export async function benchQuery(subject: Subject, query: string, count: number): Promise<QueryFigures> {
  const cpuBefore = subject.usage().cpuSeconds;
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const startedAt = performance.now();
    const answer = await subject.statistic('time-to-datapath-ready', query);
    times.push(performance.now() - startedAt);
    if (answer === undefined) throw new Error(`${subject.name} did not answer ${query}`);
  }
  const usage = subject.usage();
  return {
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
    cpuMsPerQuery: ((usage.cpuSeconds - cpuBefore) * 1000) / count,
    rssMb: usage.rssMb,
  };
}

export interface StartFigures {
  /** Seconds from exec to the first answer that counts everything. */
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly rssMb: number;
  readonly peakMb: number;
}

export async function benchStart(subject: Subject, expected: number): Promise<StartFigures> {
  await subject.stop();
  const startedAt = performance.now();
  await subject.start();
  for (;;) {
    const answer = await subject.statistic('time-to-datapath-ready');
    if (answer?.totalSuccessful === expected) break;
    if (performance.now() - startedAt > 120_000)
      throw new Error(`${subject.name} shows ${answer?.totalSuccessful} of ${expected}`);
    await new Promise((done) => setTimeout(done, 20));
  }
  const usage = subject.usage();
  return {
    seconds: (performance.now() - startedAt) / 1000,
    cpuSeconds: usage.cpuSeconds,
    rssMb: usage.rssMb,
    peakMb: usage.peakMb,
  };
}
