import { describe, expect, it } from '@jest/globals';
import { DEFINITIONS, helpText, parseCommandLine, SettingsError } from './settings.js';
import type { Settings } from './settings.js';

function settings(args: readonly string[], env: Record<string, string> = {}): Settings {
  const parsed = parseCommandLine(args, env);
  if (parsed.help) throw new Error('asked for help');
  return parsed.settings;
}

function refusal(args: readonly string[], env: Record<string, string> = {}): string {
  try {
    settings(args, env);
  } catch (error) {
    if (error instanceof SettingsError) return error.message;
    throw error;
  }
  throw new Error('was accepted');
}

describe('command line', () => {
  it('has the defaults that existing deployments rely on', () => {
    expect(settings([])).toMatchObject({
      kubeconfig: undefined,
      namespaces: [],
      labelSelector: '',
      api: { port: 8080 },
      metricsLabels: [],
      healthProbe: { port: 8081 },
      leaderElect: false,
      deadlineMs: 900_000,
      apiAuth: 'delegated',
    });
  });

  it.each([
    [['--api-bind-address=:9000'], { api: { port: 9000 } }],
    [['--api-bind-address', ':9000'], { api: { port: 9000 } }],
    [['-api-bind-address', '127.0.0.1:9000'], { api: { host: '127.0.0.1', port: 9000 } }],
    [['--api-bind-address=[::1]:9000'], { api: { host: '::1', port: 9000 } }],
    [['--metrics-bind-address=0'], { metrics: undefined }],
    [['--leader-elect'], { leaderElect: true }],
    [['--leader-elect=false'], { leaderElect: false }],
    [['--leader-elect', '--namespace=a,b,a'], { leaderElect: true, namespaces: ['a', 'b'] }],
    [['--label-selector=app==web,tier in (a,b)'], { labelSelector: 'app==web,tier in (a,b)' }],
    [['--max-concurrent-reconciles=100'], { maxConcurrentReconciles: 100 }],
    [['--deadline=1h30m'], { deadlineMs: 5_400_000 }],
    [['--deadline=0'], { deadlineMs: 0 }],
    [['--readiness-gates'], { readinessGates: true }],
    [[], { readinessGates: false }],
  ])('takes %j', (args, expected) => {
    expect(settings(args)).toMatchObject(expected);
  });

  it('wins over the environment, and an empty variable counts as none', () => {
    expect(settings([], { API_BIND_ADDRESS: ':1', NAMESPACE: '' })).toMatchObject({ api: { port: 1 }, namespaces: [] });
    expect(settings(['--api-bind-address=:2'], { API_BIND_ADDRESS: ':1' })).toMatchObject({ api: { port: 2 } });
  });

  it.each([
    [['--frobnicate'], 'unknown argument "--frobnicate"'],
    [['serve'], 'unknown argument "serve"'],
    [['--namespace'], '--namespace needs a value'],
    [['--api-bind-address=nowhere'], '--api-bind-address is "nowhere": must be host:port'],
    [['--api-bind-address=:70000'], '--api-bind-address is ":70000"'],
    [['--max-concurrent-reconciles=0'], 'must be a whole number from 1 to 1000'],
    [['--max-concurrent-reconciles=ten'], 'must be a whole number from 1 to 1000'],
    [['--leader-elect=maybe'], '--leader-elect is "maybe": must be true or false'],
    [['--namespace=Shop'], '"Shop" is no namespace name'],
    [['--label-selector=a==b=c'], '--label-selector is "a==b=c": '],
    [['--deadline='], '--deadline is "": must be a duration'],
    [['--deadline=fast'], 'must be a duration'],
    [['--metrics-labels=run,pod'], '--metrics-labels is "run,pod": must be run, node, or both'],
    [['--api-auth=off'], 'must be delegated, strict or none'],
  ])('refuses %j and says what is allowed', (args, message) => {
    expect(refusal(args)).toContain(message);
  });

  it('names the variable when a value came from the environment, and every wrong setting at once', () => {
    const message = refusal(['--deadline=fast'], { LOG_LEVEL: 'loud' });
    expect(message).toContain('LOG_LEVEL is "loud"');
    expect(message).toContain('--deadline is "fast"');
  });

  it('lists every flag with its variable and default in --help', () => {
    const text = helpText();
    for (const [name, { env }] of Object.entries(DEFINITIONS)) {
      expect(text).toContain(`--${name} `);
      expect(text).toContain(`environment ${env}`);
    }
    expect(parseCommandLine(['--help'], {})).toEqual({ help: true });
  });
});
