/** The admission policies of config/admission, judged by the real API server. */
import { request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** A policy acts a moment after it was made; nothing tells when. */
const POLICY_DEADLINE_MS = 30_000;

interface Container {
  readonly name: string;
  readonly image: string;
  readonly restartPolicy?: string;
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
}

interface Pod {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly spec: {
    readonly containers: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly readinessGates?: readonly object[];
  };
}

interface PodOptions {
  /** Its service account. */
  readonly account?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly initContainers?: readonly object[];
  readonly readinessGates?: readonly object[];
  readonly windows?: boolean;
  readonly dryRun?: boolean;
}

describe('the admission policies', () => {
  let controlPlane: ControlPlane;

  beforeAll(async () => {
    controlPlane = await startControlPlane({ audit: false });
    await controlPlane.kubectlOk(['create', 'namespace', 'datapath-observer']);
    const policies = await controlPlane.kubectlOk(['kustomize', `${ROOT}/config/admission`]);
    for (const flags of [[], [], ['--server-side']]) {
      const { code, stderr } = await controlPlane.kubectl(['apply', ...flags, '-f', '-'], { input: policies });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    }
    await controlPlane.kubectlOk(['apply', '-f', `${ROOT}/config/rbac/reporter-role.yaml`]);
  }, 120_000);
  afterAll(async () => {
    await controlPlane?.stop();
  });

  describe('the guard', () => {
    let own: Pod;
    let other: Pod;
    let token: string;

    beforeAll(async () => {
      await makeNamespace('guarded');
      await grant('guarded', 'workload', '--clusterrole=datapath-reporter');
      own = await createPod('guarded', 'own', { account: 'workload', annotations: { team: 'net' } });
      other = await createPod('guarded', 'other', { account: 'workload' });
      token = await boundToken('guarded', 'workload', own);
      await untilRefused(() => patch(token, 'guarded', 'own', { metadata: { annotations: { team: 'probe' } } }));
    }, 60_000);

    it('lets a reporter write its annotations to its own Pod', async () => {
      const annotations = {
        'datapath.observer/started-at': '2026-03-01T10:00:00.935Z',
        'datapath.observer/report': 'x'.repeat(2048),
      };
      const body = { metadata: { uid: own.metadata.uid, annotations } };
      expect(await patch(token, 'guarded', 'own', body)).toMatchObject({ status: 200 });
      const removed = { metadata: { annotations: { 'datapath.observer/report': null } } };
      expect(await patch(token, 'guarded', 'own', removed)).toMatchObject({ status: 200 });
    });

    it.each([
      ['a foreign annotation', { metadata: { annotations: { team: 'mine' } } }, 'no annotations but'],
      ['a new foreign annotation', { metadata: { annotations: { 'example.com/a': 'b' } } }, 'no annotations but'],
      ['the removal of a foreign annotation', { metadata: { annotations: { team: null } } }, 'no annotations but'],
      ['an annotation of 4097 characters', annotated('x'.repeat(4097)), 'at most 4096'],
      ['a label', { metadata: { labels: { app: 'stolen' } } }, 'may not change labels'],
      ['a finalizer', { metadata: { finalizers: ['example.com/stay'] } }, 'may not change labels, finalizers'],
      ['an owner', { metadata: { ownerReferences: [ownerReference()] } }, 'may not change labels, finalizers'],
      ['an image', { spec: { containers: [{ name: 'app', image: 'evil' }] } }, 'may not change the spec'],
    ])('refuses %s', async (_, body, message) => {
      const answer = await patch(token, 'guarded', 'own', body);
      expect(answer).toMatchObject({ status: 403, text: expect.stringContaining(message) as string });
    });

    it("refuses another Pod's annotations", async () => {
      const answer = await patch(token, 'guarded', other.metadata.name, annotated('me'));
      expect(answer).toMatchObject({ status: 403, text: expect.stringContaining('its own Pod alone') as string });
    });

    it('refuses a token that is bound to no Pod', async () => {
      const unbound = await controlPlane.token({ namespace: 'guarded', name: 'workload' });
      const answer = await patch(unbound, 'guarded', 'own', annotated('me'));
      expect(answer).toMatchObject({ status: 403, text: expect.stringContaining('bound to it') as string });
    });

    it('leaves alone a service account that may update Pods anyway', async () => {
      await grant('guarded', 'operator', '--clusterrole=cluster-admin');
      const operator = await boundToken(
        'guarded',
        'operator',
        await createPod('guarded', 'operator', { account: 'operator' }),
      );
      const body = { metadata: { labels: { app: 'managed' } } };
      expect(await patch(operator, 'guarded', 'other', body)).toMatchObject({ status: 200 });
    });

    it('leaves alone a service account that patches Pods for reasons of its own', async () => {
      await controlPlane.kubectlOk(['create', 'clusterrole', 'patcher', '--verb=patch', '--resource=pods']);
      await grant('guarded', 'patcher', '--clusterrole=patcher');
      const patcher = await boundToken(
        'guarded',
        'patcher',
        await createPod('guarded', 'patcher', { account: 'patcher' }),
      );
      const body = { metadata: { annotations: { 'example.com/patched': 'yes' } } };
      expect(await patch(patcher, 'guarded', 'other', body)).toMatchObject({ status: 200 });
    });
  });

  describe('the injector', () => {
    beforeAll(async () => {
      await makeNamespace('injected', [
        'datapath.observer/inject=enabled',
        'pod-security.kubernetes.io/enforce=restricted',
      ]);
      await makeNamespace('plain');
      await until(async () => reporterOf(await createPod('injected', 'try', { dryRun: true })) !== undefined);
    }, 60_000);

    it('adds the reporter as the first native sidecar, in a restricted namespace too', async () => {
      const pod = await createPod('injected', 'first', { initContainers: [container('migrate')] });
      expect(pod.spec.initContainers?.map(({ name }) => name)).toEqual(['datapath-reporter', 'migrate']);
      expect(reporterOf(pod)).toMatchObject({
        image: 'datapath-reporter:0.1.0',
        restartPolicy: 'Always',
        env: [
          { name: 'PROBE_TARGET', value: 'tcp://kubernetes.default.svc:443' },
          { name: 'PROBE_TIMEOUT', value: '60s' },
        ],
      });
    });

    it("lets a Pod's annotation override the target", async () => {
      const annotations = { 'datapath.observer/probe-target': 'https://db.example:5432' };
      const pod = await createPod('injected', 'overridden', { annotations });
      expect(reporterOf(pod)?.env).toContainEqual({ name: 'PROBE_TARGET', value: 'https://db.example:5432' });
    });

    it.each([
      ['in another namespace', 'plain', {}],
      [
        'with the annotation that switches it off',
        'injected',
        { annotations: { 'datapath.observer/inject': 'disabled' } },
      ],
      ['of Windows', 'injected', { windows: true }],
    ])('leaves a Pod alone %s', async (_, namespace, options) => {
      expect(reporterOf(await createPod(namespace, 'alone', { ...options, dryRun: true }))).toBeUndefined();
    });

    it('adds the readiness gate where the Pod asks for it, once and beside others', async () => {
      const annotations = { 'datapath.observer/readiness-gate': 'enabled' };
      const gate = { conditionType: 'datapath.observer/ready' };
      const other = { conditionType: 'example.com/other' };
      const gatesOf = async (options: PodOptions): Promise<unknown> =>
        (await createPod('injected', 'gated', { ...options, dryRun: true })).spec.readinessGates;
      expect(await gatesOf({ annotations })).toEqual([gate]);
      expect(await gatesOf({ annotations, readinessGates: [other] })).toEqual([other, gate]);
      expect(await gatesOf({ annotations, readinessGates: [gate] })).toEqual([gate]);
      expect(await gatesOf({})).toBeUndefined();
    });

    it('leaves a Pod alone that has a reporter of its own', async () => {
      const pod = await createPod('injected', 'own-reporter', { initContainers: [container('datapath-reporter')] });
      expect(pod.spec.initContainers).toHaveLength(1);
      expect(pod.spec.initContainers?.[0]).toMatchObject({ image: 'example' });
    });

    it('takes image and target from the ConfigMap as it stands', async () => {
      const data = { image: 'mirror.example/datapath-reporter:2', probeTarget: 'tcp://db:5432', probeTimeout: '5s' };
      await configure({ data });
      await until(async () => reporterOf(await createPod('injected', 'try', { dryRun: true }))?.image === data.image);
      expect(reporterOf(await createPod('injected', 'configured'))?.env).toEqual([
        { name: 'PROBE_TARGET', value: 'tcp://db:5432' },
        { name: 'PROBE_TIMEOUT', value: '5s' },
      ]);
    });

    it('injects nothing where no target is known, and nothing without its ConfigMap', async () => {
      await configure({ data: { probeTarget: '' } });
      await until(async () => reporterOf(await createPod('injected', 'try', { dryRun: true })) === undefined);
      await configure({ data: { probeTarget: 'tcp://db:5432' } });
      await until(async () => reporterOf(await createPod('injected', 'try', { dryRun: true })) !== undefined);
      await controlPlane.kubectlOk(['delete', 'configmap', 'datapath-reporter-injection', '-n', 'datapath-observer']);
      await until(async () => reporterOf(await createPod('injected', 'try', { dryRun: true })) === undefined);
    });
  });

  async function makeNamespace(name: string, labels: readonly string[] = []): Promise<void> {
    await controlPlane.kubectlOk(['create', 'namespace', name]);
    if (labels.length > 0) await controlPlane.kubectlOk(['label', 'namespace', name, ...labels]);
  }

  async function grant(namespace: string, account: string, role: string): Promise<void> {
    await controlPlane.kubectlOk(['create', 'serviceaccount', account, '-n', namespace]);
    const subject = `--serviceaccount=${namespace}:${account}`;
    await controlPlane.kubectlOk(['create', 'rolebinding', account, '-n', namespace, role, subject]);
  }

  async function createPod(namespace: string, name: string, options: PodOptions = {}): Promise<Pod> {
    const { account = 'default', annotations = {}, initContainers = [], windows = false, dryRun = false } = options;
    const { readinessGates = [] } = options;
    const path = `/api/v1/namespaces/${namespace}/pods${dryRun ? '?dryRun=All' : ''}`;
    const { status, text } = await controlPlane.request('POST', path, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, annotations },
      spec: {
        serviceAccountName: account,
        // Windows knows neither seccomp nor capabilities.
        ...(windows ? { os: { name: 'windows' } } : {}),
        securityContext: { runAsNonRoot: true, ...(windows ? {} : { seccompProfile: { type: 'RuntimeDefault' } }) },
        ...(initContainers.length === 0 ? {} : { initContainers }),
        ...(readinessGates.length === 0 ? {} : { readinessGates }),
        containers: [windows ? { name: 'app', image: 'example' } : container('app')],
      },
    });
    if (status !== 201) throw new Error(`creating ${namespace}/${name}: ${status} ${text}`);
    return JSON.parse(text) as Pod;
  }

  function boundToken(namespace: string, name: string, pod: Pod): Promise<string> {
    return controlPlane.token({ namespace, name, pod: { name: pod.metadata.name, uid: pod.metadata.uid } });
  }

  async function configure(body: { readonly data: Readonly<Record<string, string>> }): Promise<void> {
    const target = ['configmap', 'datapath-reporter-injection', '-n', 'datapath-observer'];
    await controlPlane.kubectlOk(['patch', ...target, '--type=merge', '-p', JSON.stringify(body)]);
  }

  /** What a reporter sends: kubectl would read the Pod first, which a reporter may not. */
  function patch(bearer: string, namespace: string, name: string, body: object): Promise<PatchAnswer> {
    return new Promise((resolve, reject) => {
      const call = request(
        `${controlPlane.server}/api/v1/namespaces/${namespace}/pods/${name}`,
        {
          method: 'PATCH',
          agent: false,
          ca: controlPlane.caData,
          headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/strategic-merge-patch+json' },
          signal: AbortSignal.timeout(10_000),
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (text += chunk));
          response.on('error', reject);
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        },
      );
      call.on('error', reject);
      call.end(JSON.stringify(body));
    });
  }

  async function untilRefused(attempt: () => Promise<PatchAnswer>): Promise<void> {
    await until(async () => (await attempt()).status === 403);
  }
});

interface PatchAnswer {
  readonly status: number;
  readonly text: string;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + POLICY_DEADLINE_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not so within ${POLICY_DEADLINE_MS} ms`);
    await sleep(100);
  }
}

function reporterOf(pod: Pod): Container | undefined {
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find(({ name }) => name === 'datapath-reporter');
}

function container(name: string): object {
  return {
    name,
    image: 'example',
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  };
}

function annotated(value: string): object {
  return { metadata: { annotations: { 'datapath.observer/report': value } } };
}

function ownerReference(): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', name: 'any', uid: '11111111-2222-4333-8444-555555555555' };
}
