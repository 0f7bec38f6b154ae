import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { takeBuildLock } from './build-lock.js';

describe('build lock', () => {
  let folder: string;
  let file: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'build-lock-'));
    file = join(folder, 'deep', 'build.lock');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is held by one at a time and given on', async () => {
    const first = await takeBuildLock(file);
    const waitedFor: number[] = [];
    let taken = false;
    const second = takeBuildLock(file, ({ pid }) => waitedFor.push(pid)).then((lock) => {
      taken = true;
      return lock;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(taken).toBe(false);
    expect(waitedFor).toEqual([process.pid]);
    first.release();
    (await second).release();
    expect(existsSync(file)).toBe(false);
  });

  it.each([
    ['a dead process', JSON.stringify({ pid: 2 ** 22 + 1, startTime: '5' })],
    ['a process whose id another has now', JSON.stringify({ pid: process.pid, startTime: '5' })],
    ['nobody, as after a full disk', ''],
  ])('is taken over from %s', async (_holder, content) => {
    (await takeBuildLock(file)).release();
    writeFileSync(file, content);
    const lock = await takeBuildLock(file);
    lock.release();
    expect(readdirSync(join(folder, 'deep'))).toEqual([]);
  });
});
