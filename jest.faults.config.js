import { shared } from './jest.config.js';

/** `make test-faults`: what networks, API servers and etcd do to a reflector. Each spec starts a control plane of its own. */
export default {
  ...shared,
  roots: ['<rootDir>/test/faults'],
  testMatch: ['**/*.spec.ts'],
  testTimeout: 120_000,
  maxWorkers: 2,
};
