export const shared = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  coverageProvider: 'v8',
  testTimeout: 90_000,
  moduleNameMapper: {
    '^@dot-i/k8s-operator$': '<rootDir>/test/support/k8s-operator.js',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        module: { type: 'es6' },
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
      },
    ],
  },
};

/** `make test`: unit tests beside their sources, integration tests against the real control plane. */
export default {
  ...shared,
  roots: ['<rootDir>/src', '<rootDir>/test/integration', '<rootDir>/test/soak', '<rootDir>/tools'],
  testMatch: ['**/*.spec.ts'],
};
