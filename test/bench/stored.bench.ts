/** A cold start over many stored results, and questions over them. */
import type { Figures } from './figures.js';
import { benchQuery } from './query.bench.js';
import { readyAmong } from './stored-results.js';
import type { Subject } from './subject.js';

/** How long the caches and the work that a start brings may come to rest, milliseconds. */
const REST_MS = 20_000;

export async function benchStored(
  subject: Subject,
  count: number,
  figures: Figures,
  tell: (text: string) => void,
): Promise<void> {
  const { name } = subject;
  const size = `${count.toLocaleString('en')} results`;
  const startedAt = await subject.start();
  await subject.shows(readyAmong(count), 120_000);
  const answeredAt = performance.now();
  const cpuSeconds = subject.usage().cpuSeconds;
  tell(`first right answer after ${((answeredAt - startedAt) / 1000).toFixed(1)} s`);
  await new Promise((done) => setTimeout(done, REST_MS));
  const before = subject.usage();
  figures.note(
    { name: `${size}: start to the first right answer`, unit: 's', atMost: 10 },
    name,
    (answeredAt - startedAt) / 1000,
  );
  figures.note({ name: `${size}: CPU of the start`, unit: 's' }, name, cpuSeconds);
  figures.note(
    { name: `${size}: longest event-loop block of the start`, unit: 'ms', atMost: 50 },
    name,
    await subject.longestBlockMs(),
  );
  figures.note({ name: `${size}: memory`, unit: 'MB', atMost: 400 }, name, before.rssMb);
  figures.note({ name: `${size}: memory at the peak of the start`, unit: 'MB' }, name, before.peakMb);
  tell('asking');
  await benchQuery(subject, count, 25, figures);
  figures.note({ name: `${size}: memory after queries`, unit: 'MB', atMost: 400 }, name, subject.usage().rssMb);
}
