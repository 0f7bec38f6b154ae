import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FakeClock, settle } from '../../../test/support/fake-clock.js';
import { MemoryLeaseLock } from '../../../test/support/memory-lease-lock.js';
import { NotLeaderError } from './kube-api-error.js';
import { LeaderElector } from './lease.js';
import { silentLogger } from './logger.js';

describe('LeaderElector', () => {
  const electors: LeaderElector[] = [];

  const elector = (identity: string, lock: MemoryLeaseLock, clock: FakeClock): LeaderElector => {
    const made = new LeaderElector({ lock, identity, clock, random: () => 0, logger: silentLogger });
    electors.push(made);
    made.start();
    return made;
  };

  afterEach(async () => {
    for (const made of electors.splice(0)) await made.stop();
  });

  it('lets exactly one lead, who keeps renewing', async () => {
    const clock = new FakeClock();
    const lock = new MemoryLeaseLock();
    const [a, b] = [elector('a', lock, clock), elector('b', lock, clock)];
    await clock.advance(60_000);
    expect([a.isLeader(), b.isLeader()]).toEqual([true, false]);
    expect(b.holder).toBe('a');
    expect(lock.spec).toMatchObject({ holderIdentity: 'a', leaseDurationSeconds: 15, leaseTransitions: 0 });
    expect(lock.spec.renewTime).toMatch(/^2026-01-01T00:0(0:5\d|1:00)\.\d{6}Z$/);
  });

  it('stops leading 10 s after its last renewal, at the moment of asking, even if no timer ran', async () => {
    const clock = new FakeClock();
    const a = elector('a', new MemoryLeaseLock(), clock);
    await clock.advance(1_000);
    expect(a.isLeader()).toBe(true);
    clock.freeze(9_999);
    expect(() => {
      a.assertLeader();
    }).toThrow(NotLeaderError);
    expect(a.marginMs()).toBe(0);
  });

  it('tells that it lost the lease while a renewal hangs', async () => {
    const clock = new FakeClock();
    const lock = new MemoryLeaseLock();
    const a = elector('a', lock, clock);
    const told: boolean[] = [];
    a.leading$.subscribe((leading) => told.push(leading));
    await clock.advance(1_000);
    lock.hang();
    await clock.advance(12_000);
    expect(told).toEqual([false, true, false]);
    lock.unhang();
    await clock.advance(20_000);
    expect(told).toEqual([false, true, false, true]);
  });

  it('is followed by another only after the whole lease passed as that one saw it', async () => {
    const clock = new FakeClock();
    const lock = new MemoryLeaseLock();
    const a = elector('a', lock, clock);
    await clock.advance(1_000);
    const b = elector('b', lock, clock);
    await clock.advance(1_500);
    lock.cut('a');
    let changedAt: number | undefined;
    for (let second = 0; second < 30 && changedAt === undefined; second++) {
      await clock.advance(1_000);
      expect(a.isLeader() && b.isLeader()).toBe(false);
      if (b.isLeader()) changedAt = second;
    }
    expect(changedAt).toBeGreaterThanOrEqual(12);
    expect(changedAt).toBeLessThanOrEqual(19);
    expect(lock.spec).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 });
  });

  it('gives the lease back when it is stopped, so that another leads within a retry period', async () => {
    const clock = new FakeClock();
    const lock = new MemoryLeaseLock();
    const a = elector('a', lock, clock);
    await clock.advance(1_000);
    const b = elector('b', lock, clock);
    await clock.advance(5_000);
    await a.stop();
    expect(a.isLeader()).toBe(false);
    expect(lock.spec.holderIdentity).toBe('');
    await clock.advance(2_100);
    expect(b.isLeader()).toBe(true);
  });

  it('keeps leading when the answer to its own renewal got lost', async () => {
    const clock = new FakeClock();
    const lock = new MemoryLeaseLock();
    const a = elector('a', lock, clock);
    await clock.advance(1_000);
    lock.loseAnswers(1);
    await clock.advance(30_000);
    expect(a.isLeader()).toBe(true);
    expect(lock.spec).toMatchObject({ holderIdentity: 'a', leaseTransitions: 0 });
  });

  it('steps down when somebody else took the lease or removed it', async () => {
    const clock = new FakeClock();
    const lock = new MemoryLeaseLock();
    const a = elector('a', lock, clock);
    await clock.advance(1_000);
    lock.overwrite({ ...lock.spec, holderIdentity: 'thief' });
    await clock.advance(2_100);
    expect(a.isLeader()).toBe(false);
    expect(a.holder).toBe('thief');
  });

  it('refuses times that would let two lead', () => {
    const options = {
      lock: new MemoryLeaseLock(),
      identity: 'a',
      clock: new FakeClock(),
      random: () => 0,
      logger: silentLogger,
    };
    expect(() => new LeaderElector({ ...options, settings: { renewDeadlineMs: 15_000 } })).toThrow(RangeError);
  });

  it('never lets two lead at once, through cuts, hangs, freezes and stops', async () => {
    const act = fc.oneof(
      fc.record({
        what: fc.constantFrom('cut', 'join', 'freeze'),
        who: fc.nat(2),
        ms: fc.integer({ min: 0, max: 20_000 }),
      }),
      fc.record({
        what: fc.constantFrom('hang', 'unhang', 'lose'),
        who: fc.nat(2),
        ms: fc.integer({ min: 0, max: 4_000 }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 25 }), async (acts) => {
        const lock = new MemoryLeaseLock();
        // Each replica has a clock of its own, which a freeze stops from firing timers while time passes.
        const clocks = [new FakeClock(), new FakeClock(), new FakeClock()];
        const group = clocks.map((clock, index) => {
          const made = new LeaderElector({
            lock,
            identity: `r${index}`,
            clock,
            random: () => 0.5,
            logger: silentLogger,
          });
          made.start();
          return made;
        });
        const leaders = (): number => group.filter((member) => member.isLeader()).length;
        for (const { what, who, ms } of acts) {
          if (what === 'cut') lock.cut(`r${who}`);
          else if (what === 'join') lock.join(`r${who}`);
          else if (what === 'hang') lock.hang();
          else if (what === 'unhang') lock.unhang();
          else if (what === 'lose') lock.loseAnswers(1);
          for (let passed = 0; passed < ms; passed += 1_000) {
            for (const [index, clock] of clocks.entries()) {
              if (what === 'freeze' && index === who) clock.freeze(1_000);
              else await clock.advance(1_000);
            }
            expect(leaders()).toBeLessThanOrEqual(1);
          }
        }
        lock.unhang();
        for (let index = 0; index < 3; index++) lock.join(`r${index}`);
        for (let second = 0; second < 40; second++) for (const clock of clocks) await clock.advance(1_000);
        expect(leaders()).toBe(1);
        await Promise.all(group.map((member) => member.stop()));
        await settle();
        expect(clocks.map((clock) => clock.timers)).toEqual([0, 0, 0]);
      }),
      { numRuns: 25 },
    );
  });
});
