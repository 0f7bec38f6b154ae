import { describe, expect, it } from '@jest/globals';
import { errorKind, errorText } from './error-text.js';
import { KubeApiError } from './kube-api-error.js';

describe('errorText', () => {
  class Hostile extends Error {
    override get message(): string {
      throw new Error('no message for you');
    }
  }
  it.each<[string, unknown, string]>([
    ['an error', new TypeError('no function'), 'TypeError: no function'],
    ['a string', 'gone', 'thrown: gone'],
    ['nothing', undefined, 'thrown: undefined'],
    ['null', null, 'thrown: null'],
    ['a symbol', Symbol('s'), 'thrown: Symbol(s)'],
    ['a plain object', { code: 'E1' }, "thrown: { code: 'E1' }"],
    ['an object without a prototype', Object.create(null), 'thrown: [Object: null prototype] {}'],
    ['an error whose message throws', new Hostile(), 'thrown: something that can not be shown'],
  ])('says in words that %s was thrown', (_what, thrown, text) => {
    expect(errorText(thrown)).toBe(text);
  });

  it('bounds a message that holds a whole object', () => {
    expect(errorText(new Error('x'.repeat(1_000_000)))).toHaveLength(1_025);
  });
});

describe('errorKind', () => {
  it('is the same for the same failure of different objects', () => {
    expect(errorKind(new Error('web/a: port 8080 of "a" is taken'), ['web/a'])).toBe(
      errorKind(new Error('web/b: port 443 of "b" is taken'), ['web/b']),
    );
  });

  it('tells what the API server answered apart by code and reason, not by the object that the message names', () => {
    const error = (code: number, reason: string, message: string): KubeApiError =>
      new KubeApiError({ code, reason, message });
    expect(errorKind(error(404, 'NotFound', 'a not found'))).toBe(errorKind(error(404, 'NotFound', 'b not found')));
    expect(errorKind(error(409, 'Conflict', 'a'))).not.toBe(errorKind(error(409, 'AlreadyExists', 'a')));
  });
});
