import { findIdentity, podClaims } from './identity.js';
import type { IdentitySources } from './identity.js';

function tokenOf(kubernetes: unknown): string {
  return `h.${Buffer.from(JSON.stringify({ 'kubernetes.io': kubernetes })).toString('base64url')}.s`;
}

const BOUND = tokenOf({ namespace: 'ns', pod: { name: 'pod', uid: 'u1' }, node: { name: 'n1', uid: 'x' } });
const NOTHING: IdentitySources = {
  podName: undefined,
  podNamespace: undefined,
  podUid: undefined,
  token: undefined,
  namespaceFile: undefined,
  hostname: 'host',
};

describe('findIdentity', () => {
  it('takes name, namespace, uid and node from the claims of a bound token', () => {
    const identity = findIdentity({ ...NOTHING, token: BOUND });
    expect(identity).toEqual({ name: 'pod', namespace: 'ns', uid: 'u1', node: 'n1' });
  });

  it('adds the uid of the claims to a name from the environment, if it is the same Pod', () => {
    const named = { ...NOTHING, podName: 'pod', podNamespace: 'ns', token: BOUND };
    expect(findIdentity(named)?.uid).toBe('u1');
    expect(findIdentity({ ...named, podName: 'other' })?.uid).toBeUndefined();
  });

  it('falls back to hostname and namespace file', () => {
    expect(findIdentity({ ...NOTHING, namespaceFile: 'ns\n', token: 'opaque' })).toEqual({
      name: 'host',
      namespace: 'ns',
      uid: undefined,
      node: undefined,
    });
  });

  it('finds none without a namespace', () => {
    expect(findIdentity(NOTHING)).toBeUndefined();
  });
});

describe('podClaims', () => {
  it.each(['', 'a.b', 'a.%%%.c', `a.${Buffer.from('[]').toString('base64url')}.c`, tokenOf(5)])(
    'says nothing of %p',
    (token) => {
      expect(podClaims(token)).toBeUndefined();
    },
  );

  it('passes over claims of another type', () => {
    expect(podClaims(tokenOf({ namespace: 5, pod: 'x' }))).toEqual({
      namespace: undefined,
      podName: undefined,
      podUid: undefined,
      node: undefined,
    });
  });
});
