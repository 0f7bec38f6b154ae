import { describe, expect, it } from '@jest/globals';
import { failureOf, failureOfErrorEvent } from './failure.js';
import {
  errorFromResponse,
  errorFromStatus,
  errorFromTransport,
  isAlreadyExists,
  isConflict,
  isTransport,
  KubeApiError,
} from './kube-api-error.js';

const status = (fields: object): string => JSON.stringify({ kind: 'Status', status: 'Failure', ...fields });

describe('KubeApiError', () => {
  it('tells a lost race from an object that exists', () => {
    const conflict = errorFromResponse(409, status({ reason: 'Conflict', code: 409 }), undefined);
    const exists = errorFromResponse(409, status({ reason: 'AlreadyExists', code: 409 }), undefined);
    expect([isConflict(conflict), isAlreadyExists(conflict)]).toEqual([true, false]);
    expect([isConflict(exists), isAlreadyExists(exists)]).toEqual([false, true]);
  });

  it('takes the delay from the header, or from the details of the Status', () => {
    expect(errorFromResponse(429, 'Too many requests', '7').retryAfterMs).toBe(7_000);
    expect(errorFromResponse(500, status({ details: { retryAfterSeconds: 2 } }), undefined).retryAfterMs).toBe(2_000);
    expect(errorFromResponse(429, '', 'Wed, 21 Oct 2026 07:28:00 GMT').retryAfterMs).toBeUndefined();
  });

  it('names the failures of the network', () => {
    const refused = errorFromTransport(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
    expect(refused).toMatchObject({ code: 0, reason: 'ConnectionRefused' });
    expect(isTransport(refused)).toBe(true);
    const lookup = errorFromTransport(Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' }));
    expect(lookup.reason).toBe('NameResolution');
    const tls = errorFromTransport(Object.assign(new Error('x'), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }));
    expect(tls.reason).toBe('Tls');
  });

  it('survives an answer that is no Status', () => {
    expect(errorFromResponse(502, '<html>Bad Gateway</html>', undefined)).toMatchObject({
      code: 502,
      reason: 'Unknown',
      message: '<html>Bad Gateway</html>',
    });
    expect(errorFromResponse(500, '{cut', undefined).message).toBe('{cut');
  });
});

describe('failures of a reflector', () => {
  it('treat 410 as expired in both of its forms', () => {
    expect(failureOf(errorFromResponse(410, status({ reason: 'Expired' }), undefined))?.reason).toBe('expired');
    expect(failureOfErrorEvent(errorFromStatus({ code: 410, reason: 'Expired' })).reason).toBe('expired');
  });

  it('recognise a version that the server has not reached', () => {
    const message = 'Too large resource version: 9, current: 3';
    expect(failureOf(errorFromResponse(504, status({ message }), undefined))?.reason).toBe('rewound');
    const causes = [{ reason: 'ResourceVersionTooLarge' }];
    expect(failureOfErrorEvent(errorFromStatus({ code: 504, details: { causes } })).reason).toBe('rewound');
  });

  it('are none when the reflector itself ended the call', () => {
    expect(failureOf(new KubeApiError({ code: 0, reason: 'Aborted', message: '' }))).toBeUndefined();
  });

  it.each([
    [429, 'throttled'],
    [401, 'refused'],
    [403, 'refused'],
    [500, 'status'],
    [404, 'status'],
  ])('name the status %i %s', (code, reason) => {
    expect(failureOf(errorFromResponse(code, '', undefined))?.reason).toBe(reason);
  });
});
