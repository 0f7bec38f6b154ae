/**
 * The controller's settings: flags first, then the environment, then defaults. This is the only place that reads `process.env`
 * and the command line; a wrong value stops the start with its name, the value and what is allowed.
 */
import { z } from 'zod';
import { parseSelector, SelectorSyntaxError } from '../statistics/label-selector.js';

/** `:8080`, `127.0.0.1:8080`, `[::1]:8080`; `0` switches a listener off. */
export interface BindAddress {
  /** `undefined` binds every interface. */
  readonly host?: string;
  readonly port: number;
}

const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const bindAddress = z.string().transform((text, context): BindAddress | undefined => {
  if (text === '0' || text === '') return undefined;
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    context.addIssue({ code: 'custom', message: 'must be host:port, :port, [ipv6]:port, or 0 to switch it off' });
    return z.NEVER;
  }
  const host = match[1] ?? match[2];
  return host === undefined || host === '' ? { port } : { host, port };
});

const flag = z.enum(['true', 'false'], { error: 'must be true or false' }).transform((text) => text === 'true');

/** A Go-style duration (`90s`, `15m`, `1h30m`) in milliseconds; a bare `0` is zero. */
const duration = z.string().transform((text, context): number => {
  if (text === '0') return 0;
  if (text === '') {
    context.addIssue({ code: 'custom', message: 'must be a duration such as 90s or 15m, or 0' });
    return z.NEVER;
  }
  let total = 0;
  let rest = text;
  while (rest !== '') {
    const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)/.exec(rest);
    if (match === null) {
      context.addIssue({ code: 'custom', message: 'must be a duration such as 500ms, 90s, 15m, 1h30m, 7d, or 0' });
      return z.NEVER;
    }
    total += Number(match[1]) * (DURATION_UNITS[match[2] ?? ''] ?? 0);
    rest = rest.slice(match[0].length);
  }
  return Math.round(total);
});

const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(
      z
        .number()
        .min(min, `must be a whole number from ${min} to ${max}`)
        .max(max, `must be a whole number from ${min} to ${max}`),
    );

const namespaces = z.string().transform((text, context): readonly string[] => {
  const list = text === '' ? [] : text.split(',');
  for (const name of list) {
    if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) {
      context.addIssue({ code: 'custom', message: `${JSON.stringify(name)} is no namespace name` });
      return z.NEVER;
    }
  }
  return [...new Set(list)];
});

/** Labels that histograms may have beside `namespace`. */
const METRICS_LABELS = ['run', 'node'] as const;
export type MetricsLabel = (typeof METRICS_LABELS)[number];

const metricsLabels = z.string().transform((text, context): readonly MetricsLabel[] => {
  const given = text === '' ? [] : text.split(',');
  const unknown = given.find((label) => !(METRICS_LABELS as readonly string[]).includes(label));
  if (unknown !== undefined) {
    context.addIssue({ code: 'custom', message: 'must be run, node, or both, separated by a comma' });
    return z.NEVER;
  }
  return METRICS_LABELS.filter((label) => given.includes(label));
});

const labelSelector = z
  .string()
  .max(4096, 'must have at most 4096 characters')
  .superRefine((text, context) => {
    try {
      parseSelector(text);
    } catch (error) {
      if (!(error instanceof SelectorSyntaxError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
    }
  });

interface Definition {
  readonly env: string;
  readonly fallback: string;
  readonly value: string;
  readonly help: string;
  readonly schema: z.ZodType;
}

/** Every setting once: flag, environment variable, default, help and what is allowed. */
export const DEFINITIONS = {
  kubeconfig: {
    env: 'KUBECONFIG',
    fallback: '',
    value: 'FILE',
    help: 'kubeconfig to use; without one: the service account inside a Pod, ~/.kube/config outside',
    schema: z.string(),
  },
  namespace: {
    env: 'NAMESPACE',
    fallback: '',
    value: 'NAMES',
    help: 'namespaces to watch, separated by commas; empty watches all',
    schema: namespaces,
  },
  'label-selector': {
    env: 'LABEL_SELECTOR',
    fallback: '',
    value: 'SELECTOR',
    help: 'measure the Pods that match; without it those with a datapath-reporter container',
    schema: labelSelector,
  },
  'max-concurrent-reconciles': {
    env: 'MAX_CONCURRENT_RECONCILES',
    fallback: '32',
    value: 'N',
    help: 'most results that are written at the same time, 1 to 1000; fewer while the API server is slow',
    schema: whole(1, 1000),
  },
  'api-bind-address': {
    env: 'API_BIND_ADDRESS',
    fallback: ':8080',
    value: 'ADDR',
    help: 'where the REST API listens',
    schema: bindAddress,
  },
  'metrics-bind-address': {
    env: 'METRICS_BIND_ADDRESS',
    fallback: ':9090',
    value: 'ADDR',
    help: 'where Prometheus scrapes; 0 switches it off',
    schema: bindAddress,
  },
  'metrics-labels': {
    env: 'METRICS_LABELS',
    fallback: '',
    value: 'LABELS',
    help: 'what histograms are divided by beside namespaces: run, node, or both, separated by a comma',
    schema: metricsLabels,
  },
  'health-probe-bind-address': {
    env: 'HEALTH_PROBE_BIND_ADDRESS',
    fallback: ':8081',
    value: 'ADDR',
    help: 'where /livez, /readyz and /healthz listen; 0 switches it off',
    schema: bindAddress,
  },
  'leader-elect': {
    env: 'LEADER_ELECT',
    fallback: 'false',
    value: 'BOOL',
    help: 'elect one writer among several replicas through a Lease',
    schema: flag,
  },
  'leader-election-namespace': {
    env: 'POD_NAMESPACE',
    fallback: 'datapath-observer',
    value: 'NAME',
    help: 'namespace of the Lease',
    schema: z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'must be a namespace name'),
  },
  deadline: {
    env: 'DEADLINE',
    fallback: '15m',
    value: 'DURATION',
    help: 'a Pod without readiness after this time has failed; 0 waits for ever',
    schema: duration,
  },
  'readiness-gates': {
    env: 'READINESS_GATES',
    fallback: 'false',
    value: 'BOOL',
    help: 'set the condition datapath.observer/ready of Pods that name it as a readiness gate; needs the right to patch the status of Pods',
    schema: flag,
  },
  'result-ttl': {
    env: 'RESULT_TTL',
    fallback: '0',
    value: 'DURATION',
    help: 'results are deleted this long after the creation of their Pod, once that is gone; their run keeps the numbers; 0 keeps them',
    schema: duration,
  },
  'max-results': {
    env: 'MAX_RESULTS',
    fallback: '150000',
    value: 'N',
    help: 'results that are kept at most, oldest deleted first, once their Pod is gone; their run keeps the numbers; 0 keeps any number',
    schema: whole(0, 10_000_000),
  },
  'api-auth': {
    env: 'API_AUTH',
    fallback: 'delegated',
    value: 'MODE',
    help: 'delegated: tokens, but none through kubectl port-forward; strict: tokens always; none: no check',
    schema: z.enum(['delegated', 'strict', 'none'], { error: 'must be delegated, strict or none' }),
  },
  'log-level': {
    env: 'LOG_LEVEL',
    fallback: 'log',
    value: 'LEVEL',
    help: 'error, warn, log or debug',
    schema: z.enum(['error', 'warn', 'log', 'debug'], { error: 'must be error, warn, log or debug' }),
  },
} as const satisfies Record<string, Definition>;

type FlagName = keyof typeof DEFINITIONS;

export interface Settings {
  readonly kubeconfig: string | undefined;
  readonly namespaces: readonly string[];
  readonly labelSelector: string;
  readonly maxConcurrentReconciles: number;
  readonly api: BindAddress | undefined;
  readonly metrics: BindAddress | undefined;
  readonly metricsLabels: readonly MetricsLabel[];
  readonly healthProbe: BindAddress | undefined;
  readonly leaderElect: boolean;
  readonly leaderElectionNamespace: string;
  /** Milliseconds; 0 is none. */
  readonly deadlineMs: number;
  readonly readinessGates: boolean;
  /** Milliseconds; 0 is for ever. */
  readonly resultTtlMs: number;
  /** 0 is any number. */
  readonly maxResults: number;
  readonly apiAuth: 'delegated' | 'strict' | 'none';
  readonly logLevel: 'error' | 'warn' | 'log' | 'debug';
}

/** The injection token of the settings. */
export const SETTINGS = Symbol('Settings');

/** A setting is wrong. The message has a line per setting: its name, the value and what is allowed. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

export type ParsedCommandLine = { readonly help: true } | { readonly help: false; readonly settings: Settings };

/**
 * Reads the command line (`--flag=value`, `--flag value`, also with one dash as Go programs take it) over the environment.
 *
 * @throws SettingsError on an unknown flag, a missing or a wrong value
 */
export function parseCommandLine(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ParsedCommandLine {
  const given = new Map<FlagName, string>();
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? '';
    const match = /^--?([a-z][a-z-]*)(?:=(.*))?$/s.exec(arg);
    const name = match?.[1] ?? '';
    if (name === 'help' || arg === '-h') return { help: true };
    if (!isFlag(name)) {
      throw new SettingsError(`unknown argument ${JSON.stringify(arg)}; --help lists the flags`);
    }
    let value = match?.[2];
    if (value === undefined) {
      const next = args[i + 1];
      if (DEFINITIONS[name].value === 'BOOL') value = 'true';
      else if (next === undefined || next.startsWith('--'))
        throw new SettingsError(`--${name} needs a value (${DEFINITIONS[name].value})`);
      else {
        value = next;
        i++;
      }
    }
    given.set(name, value);
  }

  const problems: string[] = [];
  const read = <T>(name: FlagName): T => {
    const definition: Definition = DEFINITIONS[name];
    const flagValue = given.get(name);
    const envValue = env[definition.env];
    const text = flagValue ?? (envValue === undefined || envValue === '' ? definition.fallback : envValue);
    const result = definition.schema.safeParse(text);
    if (result.success) return result.data as T;
    const where = flagValue === undefined ? definition.env : `--${name}`;
    problems.push(
      `${where} is ${JSON.stringify(text)}: ${result.error.issues.map((issue) => issue.message).join(', ')}`,
    );
    return undefined as T;
  };
  const kubeconfig = read<string>('kubeconfig');
  const settings: Settings = {
    kubeconfig: kubeconfig === '' ? undefined : kubeconfig,
    namespaces: read('namespace'),
    labelSelector: read('label-selector'),
    maxConcurrentReconciles: read('max-concurrent-reconciles'),
    api: read('api-bind-address'),
    metrics: read('metrics-bind-address'),
    metricsLabels: read('metrics-labels'),
    healthProbe: read('health-probe-bind-address'),
    leaderElect: read('leader-elect'),
    leaderElectionNamespace: read('leader-election-namespace'),
    deadlineMs: read('deadline'),
    readinessGates: read('readiness-gates'),
    resultTtlMs: read('result-ttl'),
    maxResults: read('max-results'),
    apiAuth: read('api-auth'),
    logLevel: read('log-level'),
  };
  if (problems.length > 0) throw new SettingsError(problems.join('\n'));
  return { help: false, settings };
}

/** The text of `--help`. */
export function helpText(): string {
  const lines = Object.entries(DEFINITIONS).map(([name, { value, help, env, fallback }]) => {
    const shown = fallback === '' ? 'none' : fallback;
    return `  --${name} ${value}\n        ${help}\n        (environment ${env}, default ${shown})`;
  });
  return [
    'datapath-controller: measures how long Pods take until their workload starts and their datapath works',
    '',
    'Usage: datapath-controller [flags]',
    '',
    ...lines,
    '  --help\n        show this text',
    '',
    'Exit status: 0 ended by a signal; 1 it could not start or go on; 2 a wrong flag or value.',
    '',
  ].join('\n');
}

function isFlag(name: string): name is FlagName {
  return Object.hasOwn(DEFINITIONS, name);
}
