import { shared } from './jest.config.js';

/** `make test-faults`: what networks, API servers and etcd do to a reflector and to the whole controller. Each spec starts a control plane of its own. */
export default {
  ...shared,
  roots: ['<rootDir>/test/faults'],
  testMatch: ['**/*.spec.ts'],
  testTimeout: 120_000,
  // They wait more than they work.
  maxWorkers: 3,
  reporters: ['default', '<rootDir>/jest.faults.reporter.js'],
};
