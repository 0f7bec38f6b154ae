import { shared } from './jest.config.js';

/** `make test-contract`: the served API against its own description, with valid and hostile requests. */
export default {
  ...shared,
  testTimeout: 120_000,
  roots: ['<rootDir>/test/contract'],
  testMatch: ['**/*.spec.ts'],
};
