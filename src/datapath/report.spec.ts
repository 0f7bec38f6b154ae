import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MAX_REPORT_BYTES } from './annotations.js';
import { decodeReport, encodeReport, shorten } from './report.js';
import type { Report } from './report.js';

const START = 1_795_341_600_000_000_000n;

const ready: Report = {
  state: 'Ready',
  startedAt: START,
  readyAt: START + 250_000_000n,
  delayMs: 250,
  attempts: 3,
  restarts: 1,
  target: 'tcp://10.0.0.1:80',
  lastError: { kind: 'refused', message: 'connection refused' },
  errors: { refused: 2 },
  phases: { dnsMs: 1, connectMs: 2 },
  uid: '7d9f2c1e-0000-4000-8000-000000000000',
};

describe('report', () => {
  it('survives the way through an annotation', () => {
    expect(decodeReport(encodeReport(ready))).toEqual({ report: ready });
  });

  it('stays within its bound whatever a target or an error says', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 3000 }), fc.string({ maxLength: 3000 }), (message, target) => {
        const text = encodeReport({ ...ready, target, lastError: { kind: 'other', message } });
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_REPORT_BYTES);
        expect(decodeReport(text)).toHaveProperty('report');
      }),
    );
  });

  it.each([
    ['garbage', 'is not JSON'],
    ['[]', 'is not a JSON object'],
    ['null', 'is not a JSON object'],
    ['{}', 'v is missing, must be 1'],
    ['{"v":2}', 'v is 2, must be 1'],
    ['{"v":1,"state":"Fine"}', 'state is "Fine"'],
    ['{"v":1,"state":"Probing","startedAt":"now","attempts":0,"restarts":0}', 'startedAt is "now"'],
    ['{"v":1,"state":"Ready","startedAt":"2026-11-22T10:00:00Z","attempts":0,"restarts":0}', 'readyAt is missing'],
    ['{"v":1,"state":"Probing","startedAt":"2026-11-22T10:00:00Z","attempts":-1,"restarts":0}', 'attempts is -1'],
    ['{"v":1,"state":"Probing","startedAt":"2026-11-22T10:00:00Z","attempts":1.5,"restarts":0}', 'attempts is 1.5'],
    ['{"v":1,"state":"Probing","startedAt":"2026-11-22T10:00:00Z","attempts":1,"restarts":"x"}', 'restarts is "x"'],
    [`"${'x'.repeat(5000)}"`, 'is longer than 2048 characters'],
  ])('refuses %.60s and says why', (text, problem) => {
    const decoded = decodeReport(text);
    expect(decoded).toHaveProperty('problem');
    expect('problem' in decoded ? decoded.problem : '').toContain(problem);
  });

  it('never throws, whatever stands in the annotation', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.object().map((value) => JSON.stringify({ v: 1, ...value })),
        ),
        (text) => {
          expect(Object.keys(decodeReport(text))).toHaveLength(1);
        },
      ),
    );
  });
});

describe('shorten', () => {
  it('cuts to the bound, never inside a surrogate pair', () => {
    expect(shorten('abcdef', 4)).toBe('abc…');
    expect(shorten('ab😀cd', 4)).toBe('ab…');
    expect(shorten('abc', 3)).toBe('abc');
    expect(shorten('abc', 0)).toBe('');
  });
});
