import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../../test/support/fake-clock.js';
import { AccessReviewer } from './access-reviewer.js';
import type { AccessRequest } from './access-reviewer.js';
import { AccessService } from './access.service.js';
import { cameThroughPortForward } from '../kube/port-forward.js';
import { ALLOW_MS, DENY_MS, ReviewCache } from './review-cache.js';

describe('a request that came through a port-forward', () => {
  const local = { host: 'localhost:8080' };
  it.each([
    ['127.0.0.1', { host: '127.0.0.1:8080' }],
    ['127.0.0.1', { host: 'LOCALHOST' }],
    ['::1', { host: '[::1]:31000' }],
    ['::ffff:127.0.0.1', local],
  ])('is one from %s with %j', (remoteAddress, headers) => {
    expect(cameThroughPortForward({ remoteAddress, headers })).toBe(true);
  });

  it.each([
    ['another machine', '10.0.0.7', local],
    ['another machine in the IPv4-mapped form', '::ffff:10.0.0.7', local],
    ['a link-local address', 'fe80::1', local],
    ['another loopback address', '127.0.0.2', local],
    ['no address', undefined, local],
    ['a name that was rebound', '127.0.0.1', { host: 'evil.example:8080' }],
    ['a name that begins like a local one', '127.0.0.1', { host: 'localhost.evil.example' }],
    ['a local name with something behind it', '127.0.0.1', { host: 'localhost:80@evil.example' }],
    ['no name', '127.0.0.1', {}],
    ['a proxy', '127.0.0.1', { ...local, 'x-forwarded-for': '10.0.0.7' }],
    ['a proxy that names only the host', '127.0.0.1', { ...local, 'x-forwarded-host': 'localhost' }],
    ['a proxy that names itself', '127.0.0.1', { ...local, via: '1.1 proxy' }],
    ['a proxy that names the caller', '127.0.0.1', { ...local, 'x-real-ip': '10.0.0.7' }],
    ['a proxy by the standard', '127.0.0.1', { ...local, forwarded: 'for=10.0.0.7' }],
  ])('is none with %s', (_, remoteAddress, headers) => {
    expect(cameThroughPortForward({ remoteAddress, headers })).toBe(false);
  });
});

describe('what is remembered of a caller', () => {
  it('is a yes for a minute, a no for ten seconds', async () => {
    const clock = new FakeClock();
    const cache = new ReviewCache<boolean>(clock, (allowed) => allowed);
    let asked = 0;
    const ask = (answer: boolean): Promise<boolean> =>
      cache.get(String(answer), () => Promise.resolve((asked++, answer)));
    await ask(true);
    await ask(false);
    expect(asked).toBe(2);
    await clock.advance(DENY_MS - 1);
    await ask(true);
    await ask(false);
    expect(asked).toBe(2);
    await clock.advance(1);
    await ask(false);
    expect(asked).toBe(3);
    await clock.advance(ALLOW_MS - DENY_MS);
    await ask(true);
    expect(asked).toBe(4);
  });

  it('is never an error, and a yes holds while nobody can be asked', async () => {
    const clock = new FakeClock();
    const cache = new ReviewCache<boolean>(clock, (allowed) => allowed);
    const away = (): Promise<boolean> => Promise.reject(new Error('away'));
    await cache.get('known', () => Promise.resolve(true));
    await expect(cache.get('new', away)).rejects.toThrow('away');
    await expect(cache.get('new', away)).rejects.toThrow('away');
    await expect(cache.get('known', away)).resolves.toBe(true);
    await clock.advance(ALLOW_MS);
    await expect(cache.get('known', away)).rejects.toThrow('away');
  });

  it('is asked once by many at the same time, and bounded', async () => {
    const cache = new ReviewCache<boolean>(new FakeClock(), (allowed) => allowed, 3);
    let asked = 0;
    const ask = (key: string): Promise<boolean> => cache.get(key, () => Promise.resolve((asked++, true)));
    await Promise.all(Array.from({ length: 50 }, () => ask('same')));
    expect(asked).toBe(1);
    for (let i = 0; i < 10; i++) await ask(String(i));
    expect(cache.size).toBe(3);
    expect(cache.underWay).toBe(0);
  });
});

it('is asked about every namespace of a long question, a few at a time', async () => {
  let underWay = 0;
  let most = 0;
  class Reviewer extends AccessReviewer {
    authenticate(): Promise<undefined> {
      return Promise.resolve(undefined);
    }
    async authorize(_: unknown, request: AccessRequest): Promise<boolean> {
      most = Math.max(most, ++underWay);
      await Promise.resolve();
      underWay--;
      return !('namespace' in request && request.namespace === 'n99');
    }
  }
  const service = new AccessService(new Reviewer(), 'delegated', new FakeClock());
  const may = (namespaces: number): Promise<boolean> => {
    const requests = Array.from({ length: namespaces }, (_, i) => ({
      group: 'datapath.observer',
      resource: 'datapathresults',
      verb: 'list',
      namespace: `n${String(i)}`,
    }));
    return service.may({ username: 'team' }, requests);
  };
  expect([await may(99), await may(100), most]).toEqual([true, false, 10]);
});

describe('tokens at random', () => {
  const caller = { username: 'team' };
  let asked: number;
  /** Knows one token at once, and never comes to an end with others. */
  class Reviewer extends AccessReviewer {
    authenticate(token: string): Promise<typeof caller> {
      asked++;
      return token === 'known' ? Promise.resolve(caller) : new Promise(() => undefined);
    }
    authorize(): Promise<boolean> {
      return Promise.resolve(true);
    }
  }

  it('burden the API server with fifty reviews at once, and lock out nobody who is known', async () => {
    asked = 0;
    const service = new AccessService(new Reviewer(), 'delegated', new FakeClock());
    const identify = (token: string): Promise<unknown> =>
      service.identify({ remoteAddress: '10.0.0.7', headers: { authorization: `Bearer ${token}` } });
    await identify('known');
    for (let i = 0; i < 50; i++) void identify(`token-${String(i)}`);
    await expect(identify('token-50')).rejects.toMatchObject({
      kind: 'too-many-requests',
      headers: { 'retry-after': '1' },
    });
    expect(asked).toBe(51);
    expect(await identify('known')).toBe(caller);
  });

  it('push no caller who may out of the memory', async () => {
    const cache = new ReviewCache<boolean>(new FakeClock(), (allowed) => allowed, 3);
    await cache.get('known', () => Promise.resolve(true));
    for (let i = 0; i < 10; i++) await cache.get(String(i), () => Promise.resolve(false));
    expect([cache.knows('known'), cache.size]).toEqual([true, 4]);
  });
});
