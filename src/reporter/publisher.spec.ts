import { ReporterClock } from '../../test/support/reporter-clock.js';
import type { PatchResult, PodPatch } from './api-client.js';
import { backoffMs, Publisher } from './publisher.js';
import type { Settlement } from './publisher.js';

const WRITTEN: PatchResult = { kind: 'written', pod: { spec: {} } };
const RETRY: PatchResult = { kind: 'retry', code: 503, message: 'unavailable', afterMs: undefined };
const REFUSED: PatchResult = { kind: 'refused', code: 403, message: 'forbidden' };

/** An API server that answers when the test says so. */
class Server {
  readonly calls: { patch: PodPatch; answer: (result: PatchResult) => void }[] = [];
  readonly patchPod = (_: unknown, patch: PodPatch): Promise<PatchResult> =>
    new Promise((answer) => this.calls.push({ patch, answer }));
  readonly close = (): void => undefined;
}

function start(): { clock: ReporterClock; server: Server; publisher: Publisher } {
  const clock = new ReporterClock();
  const server = new Server();
  const publisher = new Publisher({
    client: server,
    identity: { name: 'pod', namespace: 'ns', uid: 'u', node: undefined },
    timers: clock,
    random: () => 1,
    logger: { info: () => undefined, warn: () => undefined },
    wantsPod: true,
  });
  return { clock, server, publisher };
}

describe('Publisher', () => {
  it('sends the newest report alone after one that was in flight', async () => {
    const { clock, server, publisher } = start();
    publisher.publish({ n: '1' });
    publisher.publish({ n: '2' });
    publisher.publish({ n: '3' });
    server.calls[0]?.answer(WRITTEN);
    await clock.advance(0);
    expect(server.calls.map(({ patch }) => patch.annotations['n'])).toEqual(['1', '3']);
  });

  it('asks for the whole Pod once', async () => {
    const { clock, server, publisher } = start();
    publisher.publish({ n: '1' });
    server.calls[0]?.answer(WRITTEN);
    await clock.advance(0);
    publisher.publish({ n: '2' });
    expect(server.calls.map(({ patch }) => patch.wantsPod)).toEqual([true, false]);
    expect(publisher.pod).toEqual({ spec: {} });
  });

  it('tries again with growing delays, and has not given up while it is asked to go on', async () => {
    const { clock, server, publisher } = start();
    publisher.publish({ n: '1' });
    for (let call = 0; call < 8; call += 1) {
      server.calls[call]?.answer(RETRY);
      await clock.advance(backoffMs(call, 1) - 1);
      expect(server.calls.length).toBe(call + 1);
      await clock.advance(1);
    }
    expect(server.calls.length).toBe(9);
  });

  it('waits as long as the server asks', async () => {
    const { clock, server, publisher } = start();
    publisher.publish({ n: '1' });
    server.calls[0]?.answer({ ...RETRY, code: 429, afterMs: 3000 });
    await clock.advance(2999);
    expect(server.calls.length).toBe(1);
    await clock.advance(1);
    expect(server.calls.length).toBe(2);
  });

  it('does not let readiness wait for the back-off of the start', async () => {
    const { clock, server, publisher } = start();
    publisher.publish({ n: 'start' });
    server.calls[0]?.answer(RETRY);
    await clock.advance(0);
    publisher.publish({ n: 'ready' });
    expect(server.calls[1]?.patch.annotations).toEqual({ n: 'ready' });
    await clock.advance(60_000);
    expect(server.calls.length).toBe(2);
  });

  it('does not try a refused report again, and gives a newer one its own try', async () => {
    const { clock, server, publisher } = start();
    publisher.publish({ n: 'start' });
    server.calls[0]?.answer(REFUSED);
    await clock.advance(60_000);
    expect(server.calls.length).toBe(1);
    publisher.publish({ n: 'ready' });
    const settled = publisher.settled(1000);
    server.calls[1]?.answer(REFUSED);
    expect(await settled).toBe('refused');
  });

  it('takes a token that is never accepted for a refusal', async () => {
    const { clock, server, publisher } = start();
    publisher.publish({ n: '1' });
    const settled = publisher.settled(600_000);
    for (let call = 0; call < 6; call += 1) {
      server.calls[call]?.answer({ ...RETRY, code: 401 });
      await clock.advance(10_000);
    }
    expect(await settled).toBe('refused');
    expect(server.calls.length).toBe(6);
  });

  it('settles when the newest report is written', async () => {
    const { clock, server, publisher } = start();
    publisher.publish({ n: '1' });
    publisher.publish({ n: '2' });
    const seen: Settlement[] = [];
    void publisher.settled(10_000).then((settlement) => seen.push(settlement));
    server.calls[0]?.answer(WRITTEN);
    await clock.advance(0);
    expect(seen).toEqual([]);
    server.calls[1]?.answer(WRITTEN);
    await clock.advance(0);
    expect(seen).toEqual(['written']);
    expect(await publisher.settled(1)).toBe('written');
  });

  it('gives up in time', async () => {
    const { clock, publisher } = start();
    publisher.publish({ n: '1' });
    const settled = publisher.settled(500);
    await clock.advance(500);
    expect(await settled).toBe('gaveUp');
  });
});

describe('backoffMs', () => {
  it('doubles up to 5 s, by half at random', () => {
    expect([0, 1, 2, 5, 50].map((failures) => backoffMs(failures, 1))).toEqual([200, 400, 800, 5000, 5000]);
    expect(backoffMs(0, 0)).toBe(100);
  });
});
