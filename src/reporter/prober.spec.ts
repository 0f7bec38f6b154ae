import { ReporterClock } from '../../test/support/reporter-clock.js';
import { Prober } from './prober.js';
import type { ProbeOutcome } from './prober.js';
import { readSettings } from './settings.js';
import type { SocketHandlers } from './socket.js';

/** Connections that a test answers by hand. */
class Network {
  readonly attempts: { handlers: SocketHandlers; at: bigint; destroyed: boolean }[] = [];
  constructor(private readonly clock: ReporterClock) {}

  readonly connect = (_address: string, _port: number, _tls: unknown, handlers: SocketHandlers): never => {
    const attempt = { handlers, at: this.clock.monotonic(), destroyed: false };
    this.attempts.push(attempt);
    return { write: () => undefined, destroy: () => (attempt.destroyed = true) } as never;
  };

  refuse(index: number): void {
    this.attempts[index]?.handlers.closed({ code: 'ECONNREFUSED', message: 'refused' });
  }

  get open(): number {
    return this.attempts.filter(({ destroyed }) => !destroyed).length;
  }

  get startsMs(): readonly number[] {
    return this.attempts.map(({ at }) => Number(at) / 1e6);
  }
}

function start(env: Readonly<Record<string, string>> = {}): {
  clock: ReporterClock;
  network: Network;
  prober: Prober;
  outcomes: ProbeOutcome[];
} {
  const clock = new ReporterClock();
  const network = new Network(clock);
  const outcomes: ProbeOutcome[] = [];
  const resolver = { resolve: () => () => undefined };
  const { probe } = readSettings({ PROBE_TARGET: '10.0.0.1:80', ...env });
  const io = { connect: network.connect, resolver, clock, timers: clock, ca: undefined };
  const prober = new Prober(probe, io, { finished: (outcome) => outcomes.push(outcome) });
  prober.start();
  return { clock, network, prober, outcomes };
}

describe('Prober', () => {
  it('begins the first attempt before start returns', () => {
    expect(start().network.startsMs).toEqual([0]);
  });

  it('begins an attempt every interval, also while earlier ones hang', async () => {
    const { clock, network } = start();
    await clock.advance(350);
    expect(network.startsMs).toEqual([0, 100, 200, 300]);
    expect(network.open).toBe(4);
  });

  it('keeps to its grid after refusals', async () => {
    const { clock, network } = start();
    network.refuse(0);
    await clock.advance(130);
    network.refuse(1);
    await clock.advance(100);
    expect(network.startsMs).toEqual([0, 100, 200]);
  });

  it('takes the first success, by whichever attempt, and ends all others', async () => {
    const { clock, network, prober, outcomes } = start();
    await clock.advance(250);
    network.attempts[1]?.handlers.connected();
    expect(outcomes).toEqual([{ state: 'Ready', at: 250_000_000n, phases: { connectMs: 150 } }]);
    expect([network.open, clock.timers]).toEqual([0, 0]);
    expect(prober.tally).toEqual({ attempts: 3, errors: {}, lastError: undefined });
  });

  it('counts an attempt that hangs as failed after its own timeout', async () => {
    const { clock, prober } = start({ PROBE_ATTEMPT_TIMEOUT: '150ms' });
    await clock.advance(160);
    expect(prober.tally).toMatchObject({ attempts: 2, errors: { connectTimeout: 1 } });
  });

  it('bounds how many attempts hang at once', async () => {
    const { clock, network } = start({ PROBE_ATTEMPT_TIMEOUT: '5m', PROBE_INTERVAL: '10ms', PROBE_TIMEOUT: '5m' });
    await clock.advance(5000);
    expect(network.attempts.length).toBe(501);
    expect(network.open).toBe(64);
  });

  it('times out with the last error of what still fails', async () => {
    const { clock, network, outcomes, prober } = start({ PROBE_TIMEOUT: '250ms' });
    for (const index of [0, 1, 2]) {
      network.refuse(index);
      await clock.advance(100);
    }
    expect(outcomes).toMatchObject([{ state: 'TimedOut', at: 250_000_000n }]);
    expect(prober.tally).toMatchObject({ attempts: 3, errors: { refused: 3 }, lastError: { kind: 'refused' } });
  });

  it('says in which step it hung where the timeout came before any answer', async () => {
    const { clock, prober } = start({ PROBE_TIMEOUT: '250ms' });
    await clock.advance(250);
    expect(prober.tally.lastError).toMatchObject({ kind: 'connectTimeout' });
  });

  it('is ready when the last of several targets is, and leaves the others alone once they answered', async () => {
    const { clock, network, outcomes } = start({ PROBE_TARGET: '10.0.0.1:80,10.0.0.2:80' });
    network.attempts[0]?.handlers.connected();
    expect(outcomes).toEqual([]);
    await clock.advance(100);
    expect(network.attempts.length).toBe(3);
    network.attempts[2]?.handlers.connected();
    expect(outcomes).toMatchObject([{ state: 'Ready', at: 100_000_000n }]);
  });

  it('with blocked, is ready at the end of the window', async () => {
    const { clock, network, outcomes } = start({ PROBE_EXPECT: 'blocked', PROBE_TIMEOUT: '1s' });
    network.refuse(0);
    await clock.advance(999);
    expect(outcomes).toEqual([]);
    await clock.advance(1);
    expect(outcomes).toMatchObject([{ state: 'Ready', at: 1_000_000_000n }]);
  });

  it('with blocked, ends at once when a target gets through', async () => {
    const { clock, network, outcomes } = start({ PROBE_EXPECT: 'blocked', PROBE_TARGET: '10.0.0.1:80,10.0.0.2:80' });
    await clock.advance(100);
    network.attempts[3]?.handlers.connected();
    expect(outcomes).toMatchObject([{ state: 'Breached', at: 100_000_000n }]);
  });

  it('with blocked, calls nothing blocked whose name never resolved', async () => {
    const { clock, outcomes } = start({ PROBE_EXPECT: 'blocked', PROBE_TARGET: 'web:80', PROBE_TIMEOUT: '1s' });
    await clock.advance(1000);
    expect(outcomes).toMatchObject([{ state: 'TimedOut' }]);
  });

  it('stops without an outcome, a timer or a connection', async () => {
    const { clock, network, prober, outcomes } = start();
    await clock.advance(150);
    prober.stop();
    await clock.advance(100_000);
    expect([outcomes.length, network.open, clock.timers]).toEqual([0, 0, 0]);
  });
});
