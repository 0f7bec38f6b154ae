import { describe, expect, it } from '@jest/globals';
import { archiveOf } from '../../statistics/run-archive.js';
import { archiveStatus } from './run-status.js';
import { readArchive } from './run-view.js';

describe('the archive of a status', () => {
  it('without the counts that came later has none of them', () => {
    const stored = archiveStatus(archiveOf([]), []);
    const { timeToStart } = stored.metrics;
    const { lost: _lost, unmeasured: _unmeasured, ...older } = timeToStart;
    const archive = readArchive({ ...stored, metrics: { ...stored.metrics, timeToStart: older } });
    expect(archive.metrics.timeToStart).toMatchObject({ lost: 0, unmeasured: 0 });
    expect(archiveStatus(archive, []).metrics.timeToStart).toEqual(timeToStart);
  });

  it('whose counts contradict its outcomes is refused', () => {
    const stored = archiveStatus(archiveOf([]), []);
    expect(() => readArchive({ ...stored, results: 1 })).toThrow('the archive counts 1 results, its outcomes 0');
  });
});
