import type { Report } from '../datapath/report.js';
import { decodeMemory, encodeMemory, memoryPath } from './memory.js';

const REPORT: Report = {
  state: 'Probing',
  startedAt: 1_790_000_000_123_456_789n,
  attempts: 3,
  restarts: 0,
  target: 'tcp://web:80',
  uid: 'u1',
};
const MEMORY = { report: REPORT, startUptimeMs: 5000, completed: false };

describe('decodeMemory', () => {
  it('reads what was written', () => {
    expect(decodeMemory(encodeMemory(MEMORY), 6000, 'u1')).toEqual(MEMORY);
  });

  it('forgets what belongs to another Pod, or to another boot', () => {
    expect(decodeMemory(encodeMemory(MEMORY), 6000, 'u2')).toBeUndefined();
    expect(decodeMemory(encodeMemory(MEMORY), 4000, 'u1')).toBeUndefined();
  });

  it.each([
    '',
    '[]',
    '{"report":',
    '{"report":"{}","startUptimeMs":1}',
    JSON.stringify({ ...JSON.parse(encodeMemory(MEMORY)), startUptimeMs: '1' }),
    JSON.stringify({ ...JSON.parse(encodeMemory(MEMORY)), startUptimeMs: -1 }),
  ])('forgets %p', (text) => {
    expect(decodeMemory(text, 6000, undefined)).toBeUndefined();
  });
});

describe('memoryPath', () => {
  it('differs by what is probed', () => {
    expect(memoryPath('/dev/shm', 'a')).not.toBe(memoryPath('/dev/shm', 'b'));
    expect(memoryPath('/dev/shm', 'a')).toMatch(/^\/dev\/shm\/datapath-reporter-[0-9a-f]{8}\.json$/);
  });
});
