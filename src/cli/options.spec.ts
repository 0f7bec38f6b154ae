import { describe, expect, it } from '@jest/globals';
import { readOptions, UsageError } from './options.js';

describe('the command line of datapath-run', () => {
  it('has a file, a time to wait and exports', () => {
    expect(readOptions(['-f', 'run.yaml'])).toEqual({
      file: 'run.yaml',
      kubeconfig: undefined,
      timeoutMs: 900_000,
      json: false,
      exports: [],
    });
    expect(
      readOptions(['-f', '-', '--timeout', '1h30m5s', '--export', 'junit=a=b.xml', '--export', 'csv=x', '--json']),
    ).toEqual({
      file: '-',
      kubeconfig: undefined,
      timeoutMs: 5_405_000,
      json: true,
      exports: [
        { format: 'junit', file: 'a=b.xml' },
        { format: 'csv', file: 'x' },
      ],
    });
    expect(readOptions(['-h'])).toBe('help');
  });

  it.each([
    [[], '-f FILE is missing'],
    [['-f', 'x', '--timeout', 'soon'], 'a duration such as'],
    [['-f', 'x', '--timeout', '0s'], 'a duration such as'],
    [['-f', 'x', '--timeout', '5'], 'a duration such as'],
    [['-f', 'x', '--export', 'pdf=x'], 'one of perfdata'],
    [['-f', 'x', '--export', 'junit='], 'FORMAT=FILE'],
    [['-f', 'x', '--export', 'junit'], 'FORMAT=FILE'],
    [['-f', 'x', '--export', 'csv=-', '--json'], 'standard output is asked for twice'],
    [['-f', 'x', '--colour'], 'colour'],
    [['-f', 'x', 'y'], 'y'],
  ])('refuses %j and says what is allowed', (args, words) => {
    expect(() => readOptions(args)).toThrow(UsageError);
    expect(() => readOptions(args)).toThrow(words);
  });
});
