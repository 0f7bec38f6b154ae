import { createClock, uptimeMs } from './clock.js';

describe('createClock', () => {
  it('anchors the wall clock at the start of the process and goes on by the monotonic clock', () => {
    let monotonic = 50_000_000n;
    const source = { timeOrigin: 1_790_000_000_123.456, now: () => 20 };
    const clock = createClock(source, () => monotonic);
    expect(clock.start).toBe(1_790_000_000_123_456_000n);
    expect(clock.monotonicStart).toBe(30_000_000n);
    monotonic = 60_000_000n;
    expect(clock.now()).toBe(clock.start + 30_000_000n);
  });

  it('shifts instants by an offset, durations by none', () => {
    const source = { timeOrigin: 1_790_000_000_000, now: () => 0 };
    const clock = createClock(source, () => 0n, -1500);
    expect(clock.start).toBe(1_789_999_998_500_000_000n);
    expect(clock.monotonicStart).toBe(0n);
  });
});

describe('uptimeMs', () => {
  it('reads /proc/uptime', () => {
    expect(uptimeMs('734.14 671.20\n')).toBe(734_140);
  });

  it('is 0 where there is none', () => {
    expect([uptimeMs(undefined), uptimeMs('x')]).toEqual([0, 0]);
  });
});
