import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { resultWithUid } from '../../../test/support/arbitrary-result.js';
import type { ResultState } from '../../datapath/result-state.js';
import { ResultIndex } from './result-index.js';
import type { ResultChange } from './result-index.js';

const uid = fc.constantFrom('a', 'b', 'c');

it('tells each change once, with what was before, so that following the changes gives the index', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(resultWithUid(uid), uid), { maxLength: 40 }), (steps) => {
      const index = new ResultIndex();
      const followed = new Map<string, ResultState>();
      index.changes.subscribe(({ uid: key, previous, next }: ResultChange) => {
        expect(previous).toEqual(followed.get(key));
        expect(index.get(key)).toEqual(next);
        if (next === undefined) followed.delete(key);
        else followed.set(key, next);
      });
      for (const step of steps) {
        if (typeof step === 'string') index.remove(step);
        else index.put(step);
      }
      expect(new Map([...index.values()].map((state) => [state.uid, state]))).toEqual(followed);
      expect(index.size).toBe(followed.size);
    }),
  );
});

it('takes the same content again, also in another object, as no change', () => {
  fc.assert(
    fc.property(resultWithUid(uid), (state) => {
      const index = new ResultIndex();
      index.put(state);
      let changes = 0;
      index.changes.subscribe(() => changes++);
      index.put(state);
      index.put(structuredClone(state));
      index.put(index.get(state.uid) as ResultState);
      index.remove('nobody');
      expect(changes).toBe(0);
    }),
  );
});
