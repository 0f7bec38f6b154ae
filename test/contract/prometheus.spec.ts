/** A real Prometheus (Debian's package "prometheus") scrapes a real controller with a token, and reads the rules of config/. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { freePort, ROOT } from '../../tools/controller/deployment.js';
import { eventually } from '../support/controller.js';
import { createWorld } from './world.js';
import type { World } from './world.js';

const RULES = fileURLToPath(new URL('../../config/prometheus/rules.yaml', import.meta.url));
const hasPrometheus = spawnSync('prometheus', ['--version']).error === undefined;
const describeWithPrometheus = hasPrometheus ? describe : describe.skip;

interface Target {
  readonly labels: Readonly<Record<string, string>>;
  readonly health: string;
  readonly lastError: string;
}
interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

describeWithPrometheus('a Prometheus', () => {
  let world: World;
  let prometheus: ChildProcess;
  let folder: string;
  let base: string;

  beforeAll(async () => {
    const metrics = await freePort();
    world = await createWorld([`--metrics-bind-address=0.0.0.0:${String(metrics)}`]);
    const { plane } = world;
    await plane.kubectlOk(['apply', '-f', '-'], {
      input: (await plane.kubectlOk(['kustomize', join(ROOT, 'config/prometheus')]))
        .split('\n---\n')
        // The kinds of the Prometheus operator aren't there.
        .filter((document) => !document.includes('monitoring.coreos.com/'))
        .join('\n---\n'),
    });
    const account = { namespace: 'datapath-observer', name: 'datapath-metrics-reader' };
    const token = await plane.token({ ...account, expirationSeconds: 3600 });
    folder = mkdtempSync(join(tmpdir(), 'datapath-prometheus-'));
    const { spec } = parse(readFileSync(RULES, 'utf8')) as { spec: object };
    writeFileSync(join(folder, 'rules.yaml'), stringify(spec));
    // Not the address of loopback that a port-forward has: here a token is needed.
    const target = [{ targets: [`127.0.0.2:${String(metrics)}`] }];
    const job = { scrape_interval: '3s', scrape_timeout: '3s', static_configs: target };
    writeFileSync(
      join(folder, 'prometheus.yaml'),
      stringify({
        global: { evaluation_interval: '1s' },
        rule_files: ['rules.yaml'],
        scrape_configs: [
          { job_name: 'datapath-controller', ...job, authorization: { type: 'Bearer', credentials: token } },
          { job_name: 'nobody', ...job },
        ],
      }),
      { mode: 0o600 },
    );
    const port = await freePort();
    base = `http://127.0.0.1:${String(port)}`;
    const log = openSync(join(folder, 'log'), 'a');
    prometheus = spawn(
      'prometheus',
      [
        `--config.file=${join(folder, 'prometheus.yaml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${String(port)}`,
      ],
      { stdio: ['ignore', log, log] },
    );
    closeSync(log);
  });

  afterAll(async () => {
    if (prometheus !== undefined) {
      const ended = new Promise((resolve) => prometheus.once('exit', resolve));
      if (prometheus.kill('SIGTERM')) await ended;
    }
    await world?.controller.kill('SIGTERM');
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  async function query<T>(path: string): Promise<T> {
    const response = await fetch(`${base}/api/v1/${path}`);
    if (!response.ok) throw new Error(`${path}: ${String(response.status)} ${await response.text()}`);
    return ((await response.json()) as { data: T }).data;
  }

  async function valueOf(expression: string): Promise<number | undefined> {
    const { result } = await query<{ result: Sample[] }>(`query?query=${encodeURIComponent(expression)}`);
    return result[0] === undefined ? undefined : Number(result[0].value[1]);
  }

  it('scrapes with the token of its account, and not without one', async () => {
    const target = (job: string, wanted: (target: Target) => boolean): Promise<Target> =>
      eventually(`the target of ${job}`, async () => {
        const { activeTargets } = await query<{ activeTargets: Target[] }>('targets');
        return activeTargets.find((each) => each.labels['job'] === job && wanted(each));
      });
    await target('datapath-controller', ({ health }) => health === 'up');
    const refused = await target('nobody', ({ lastError }) => lastError.includes('401'));
    expect(refused.health).toBe('down');
  });

  it('has the numbers that the API has', async () => {
    const [namespace] = world.namespaces;
    const [run] = world.runs;
    const statistic = await world.client.timeToDatapathReady({ run: [run] });
    const ready = `{run="${run}",metric="timeToDatapathReady",quantile="0.99"}`;
    await eventually('the p99 of the run', async () => {
      const p99 = await valueOf(`datapath_run_quantile_seconds${ready}`);
      return p99 !== undefined && Math.round(p99 * 1000) === statistic.p99;
    });
    const count = `datapath_time_to_ready_seconds_count{namespace="${namespace}",job="datapath-controller"}`;
    expect(await valueOf(count)).toBe((await world.client.timeToDatapathReady({ namespace: [namespace] })).count);
    expect(await valueOf(`sum(datapath_run_pods{run="${run}"})`)).toBe(statistic.count + statistic.totalFailed + 2);
    expect(await valueOf('datapath_pods_total{outcome="Failed",job="datapath-controller"} > 0')).toBeGreaterThan(0);
    expect(await valueOf('datapath_build_info')).toBe(1);
    const names = await query<string[]>('label/__name__/values');
    // No series names a Pod.
    for (const label of await query<string[]>('labels')) expect(['pod', 'uid']).not.toContain(label);
    expect(names).toEqual(expect.arrayContaining(['workqueue_depth', 'operator_watch_last_event_age_seconds']));
  });

  it('evaluates every rule without an error, and none fires', async () => {
    interface Rule {
      readonly name: string;
      readonly health: string;
      readonly lastError?: string;
      readonly state?: string;
    }
    const rules = await eventually('every rule to be evaluated', async () => {
      const { groups } = await query<{ groups: { rules: Rule[] }[] }>('rules');
      const all = groups.flatMap((group) => group.rules);
      return all.length > 0 && all.every(({ health }) => health !== 'unknown') && all;
    });
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
    expect(rules.filter(({ state }) => state === 'firing')).toEqual([]);
  });
});
