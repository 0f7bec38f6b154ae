import { shared } from './jest.config.js';

/** `make e2e`: real Pods on a real node. One spec at a time: they share two cores with a whole cluster. */
export default {
  ...shared,
  roots: ['<rootDir>/test/e2e'],
  testMatch: ['**/*.spec.ts'],
  testTimeout: 120_000,
  maxWorkers: 1,
};
