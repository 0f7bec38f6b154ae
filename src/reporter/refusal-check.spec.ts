import { ReporterClock } from '../../test/support/reporter-clock.js';
import { createRefusalCheck, encodeSocketAddress } from './refusal-check.js';
import type { SystemCalls } from './refusal-check.js';

const EINPROGRESS = 115;
const EHOSTUNREACH = 113;
const ENETUNREACH = 101;

function start(system: Partial<SystemCalls>): {
  clock: ReporterClock;
  ask: () => Promise<string | undefined>;
  asked: () => number;
} {
  const clock = new ReporterClock();
  let asked = 0;
  const calls: SystemCalls = {
    socket: () => (asked += 1),
    connect: () => EINPROGRESS,
    pendingError: () => 0,
    isSettled: () => true,
    close: () => undefined,
    ...system,
  };
  const check = createRefusalCheck(
    () => calls,
    clock,
    () => clock.monotonic(),
  );
  return { clock, ask: () => new Promise((resolve) => check('10.0.0.1', 80, resolve)), asked: () => asked };
}

describe('createRefusalCheck', () => {
  it('tells an unreachable network that the system knows at once', async () => {
    expect(await start({ connect: () => ENETUNREACH }).ask()).toBe('ENETUNREACH');
  });

  it('tells an unreachable host that the network reports later', async () => {
    let polls = 0;
    const { clock, ask } = start({ isSettled: () => (polls += 1) > 3, pendingError: () => EHOSTUNREACH });
    const answer = ask();
    await clock.advance(20);
    expect(await answer).toBe('EHOSTUNREACH');
  });

  it('does not wait for ever', async () => {
    const { clock, ask } = start({ isSettled: () => false });
    const answer = ask();
    await clock.advance(1000);
    expect(await answer).toBeUndefined();
  });

  it('asks at most once a second for an address', async () => {
    const { clock, ask, asked } = start({ pendingError: () => EHOSTUNREACH });
    expect([await ask(), await ask()]).toEqual(['EHOSTUNREACH', 'EHOSTUNREACH']);
    expect(asked()).toBe(1);
    await clock.advance(1001);
    await ask();
    expect(asked()).toBe(2);
  });

  it('does without where the system calls cannot be had', async () => {
    const clock = new ReporterClock();
    const load = (): never => {
      throw new Error('no such library');
    };
    const check = createRefusalCheck(load, clock, () => clock.monotonic());
    expect(await new Promise((resolve) => check('10.0.0.1', 80, resolve))).toBeUndefined();
  });
});

describe('encodeSocketAddress', () => {
  it('lays out sockaddr_in', () => {
    expect([...encodeSocketAddress('10.1.2.3', 443)]).toEqual([2, 0, 1, 187, 10, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it.each([
    ['::1', [...Buffer.alloc(15), 1]],
    ['fd00::a:b', [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 11]],
    ['1:2:3:4:5:6:7:8', [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]],
    ['::ffff:10.0.0.1', [...Buffer.alloc(10), 255, 255, 10, 0, 0, 1]],
  ])('lays out sockaddr_in6 of %s', (address, bytes) => {
    expect([...encodeSocketAddress(address, 443)]).toEqual([10, 0, 1, 187, 0, 0, 0, 0, ...bytes, 0, 0, 0, 0]);
  });
});
