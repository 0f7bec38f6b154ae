import { judge } from './api-client.js';

const answer = (
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Parameters<typeof judge>[0] => ({
  head: { status, headers: new Map(Object.entries(headers)) },
  text: () => (typeof body === 'string' ? body : JSON.stringify(body)),
});

describe('judge', () => {
  it('hands on the object of a success', () => {
    expect(judge(answer(200, { kind: 'Pod' }))).toEqual({ kind: 'written', pod: { kind: 'Pod' } });
  });

  it.each([401, 408, 409, 429, 500, 502, 503, 504])('has %d tried again', (code) => {
    expect(judge(answer(code, { message: 'why' }))).toEqual({
      kind: 'retry',
      code,
      message: 'why',
      afterMs: undefined,
    });
  });

  it.each([400, 403, 404, 410, 413, 415, 422])('takes %d for a refusal', (code) => {
    expect(judge(answer(code, { message: 'why' }))).toEqual({ kind: 'refused', code, message: 'why' });
  });

  it('honours Retry-After in seconds, and nothing else in its place', () => {
    expect(judge(answer(429, '', { 'retry-after': '7' }))).toMatchObject({ afterMs: 7000 });
    expect(judge(answer(429, '', { 'retry-after': 'tomorrow' }))).toMatchObject({ afterMs: undefined });
  });

  it('does without a body', () => {
    expect(judge(answer(503, '<html>'))).toMatchObject({ kind: 'retry', message: 'status 503' });
  });
});
