import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { resultWithUid } from '../../../test/support/arbitrary-result.js';
import { PackedState } from './packed-state.js';

describe('PackedState', () => {
  it('gives back every state as it was, whatever was packed before it', () => {
    fc.assert(
      fc.property(fc.array(resultWithUid(fc.uuid()), { minLength: 1, maxLength: 20 }), (states) => {
        const packed = states.map((state) => new PackedState(state));
        for (const [i, state] of states.entries()) {
          expect(packed[i]?.unpack(state.uid)).toEqual(state);
        }
      }),
    );
  });

  it('keeps instants to the nanosecond, however far from the creation they lie', () => {
    const [state] = fc.sample(resultWithUid(fc.constant('uid')), 1);
    if (state === undefined) throw new Error('nothing was generated');
    for (const apart of [0n, 1n, -1n, 2n ** 53n - 1n, 2n ** 53n + 1n, -(2n ** 60n) - 1n]) {
      const startedAt = state.createdAt + apart;
      expect(new PackedState({ ...state, startedAt }).unpack('uid').startedAt).toBe(startedAt);
    }
  });
});
