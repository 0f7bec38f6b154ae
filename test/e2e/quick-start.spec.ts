/** What the README tells a newcomer to do, word for word, in the order in which it stands there. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { CONTROLLER_NAMESPACE, freePort, ROOT } from '../../tools/controller/deployment.js';
import { deployedCluster, until } from './cluster.js';
import type { Cluster } from './cluster.js';
import { container, webServer } from './manifests.js';
import { describeOnRealNode } from './on-real-node.js';

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

/** The fenced blocks of one section of the README. */
function blocks(section: string, language: string): readonly string[] {
  const text = new RegExp(`^## ${section}$([\\s\\S]*?)^## `, 'm').exec(README)?.[1] ?? '';
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(([, kind]) => kind === language)
    .map(([, , content = '']) => content);
}

const [install = ''] = blocks('Install', 'sh').filter((text) => text.includes('kubectl apply'));
const manifests = blocks('Install', 'yaml').map((text) => parse(text) as { readonly kind?: string });
const binding = manifests.find(({ kind }) => kind === 'RoleBinding') as { metadata: { namespace: string } } | undefined;
const podPart = manifests.find((each) => 'spec' in each) as
  { spec: { initContainers: { name: string; env: { name: string; value: string }[] }[] } } | undefined;
const queries = blocks('Query', 'sh').join('\n').trim().split('\n');

describe('the README', () => {
  it('has the parts of the quick start that are tried here', () => {
    expect(install).toMatch(/^kubectl apply -k \.$/m);
    expect(binding?.metadata.namespace).toBe('my-test');
    expect(podPart?.spec.initContainers[0]?.env.map(({ name }) => name)).toEqual(['PROBE_TARGET', 'PROBE_TIMEOUT']);
    expect(queries[0]).toMatch(/^kubectl port-forward /);
    expect(queries.length).toBeGreaterThanOrEqual(4);
  });
});

describeOnRealNode('the quick start', () => {
  let cluster: Cluster;
  let forward: ChildProcess | undefined;
  const shell = async (command: string): Promise<string> => {
    const { stdout } = await promisify(execFile)('sh', ['-ec', command], {
      cwd: ROOT,
      env: cluster.plane.environment(),
      timeout: 60_000,
    });
    return stdout;
  };

  beforeAll(async () => {
    cluster = await deployedCluster();
    // The images are loaded; all the rest is the README's own.
    await shell('make undeploy');
  }, 240_000);
  afterAll(async () => {
    forward?.kill();
    await cluster?.dropNamespaces('my-test');
    await cluster?.end();
  }, 120_000);

  it('installs the controller as a Pod of our image, which becomes ready without a restart', async () => {
    await shell(install);
    await cluster.rolledOut();
    const [controller] = await cluster.pods(CONTROLLER_NAMESPACE);
    expect(controller?.status.containerStatuses?.[0]).toMatchObject({ ready: true, restartCount: 0 });
  }, 120_000);

  it('measures Pods that were given the reporter of the README', async () => {
    const namespace = 'my-test';
    await cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    await cluster.create(...webServer(namespace, 'my-service'), binding ?? {});
    await cluster.create({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: { containers: [container('web', 'sleep infinity')], ...podPart?.spec },
        },
      },
    });
    await cluster.kubectl(['rollout', 'status', '-n', namespace, 'deployment/web', '--timeout=90s']);
    const ready = await until('three results', async () => {
      const list = [...(await cluster.results(namespace)).values()].filter(({ status }) => status?.outcome === 'Ready');
      return list.length === 3 ? list : undefined;
    });
    for (const { status, spec } of ready) {
      expect(spec).toMatchObject({ runName: namespace });
      expect(status).toMatchObject({ nodeName: 'node1', timeToStartMs: expect.any(Number) });
      expect(status?.restarts ?? 0).toBe(0);
      expect(status?.datapathDelayMs).toBeGreaterThanOrEqual(0);
    }
  }, 180_000);

  it('answers the queries of the README through kubectl port-forward', async () => {
    const [command = '', ...others] = queries;
    // Where this machine uses 8080 for something else, another port stands in for it.
    const port = (await isFree(8080)) ? 8080 : await freePort();
    forward = spawn('sh', ['-c', `exec ${command.replace(/ 8080$/, ` ${port}:8080`)}`], {
      cwd: ROOT,
      env: cluster.plane.environment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(createInterface({ input: forward.stdout ?? process.stdin }), 'line');
    const answers = new Map<string, string>();
    for (const query of others)
      answers.set(query, await shell(query.replaceAll('localhost:8080', `localhost:${port}`)));
    const answer = (path: string): Record<string, unknown> => {
      const text = [...answers].find(([query]) => query.includes(path))?.[1];
      return JSON.parse(text ?? '{}') as Record<string, unknown>;
    };
    expect(answer('/time-to-start')).toMatchObject({ unit: 'ms', count: 3, totalSuccessful: 3, totalFailed: 0 });
    expect(answer('/time-to-datapath-ready')).toMatchObject({ count: 3, totalSuccessful: 3 });
    // The Pod behind my-service carries no reporter.
    expect(answer('/pod-health')).toMatchObject({ desiredReplicas: 3, runningPods: 3, pendingPods: 0, failedPods: 0 });
    const shown = [...answers].find(([query]) => query.startsWith('kubectl get dpr'))?.[1] ?? '';
    expect(shown.trimEnd().split('\n')).toHaveLength(4);
    expect(shown).toMatch(/POD +NODE +OUTCOME +START +DATAPATH/);
  }, 120_000);
});

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
