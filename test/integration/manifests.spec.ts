/** The manifests as a user applies them, to control planes that have never seen them. */
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { LEASE_NAME } from '../../src/app.module.js';
import { startControlPlane } from '../../tools/control-plane/launcher.js';
import type { ControlPlane, KubectlResult } from '../../tools/control-plane/launcher.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CONTROLLER = 'system:serviceaccount:datapath-observer:datapath-controller';

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: { readonly template?: { readonly metadata: object; readonly spec: object } };
}

describe('the manifests', () => {
  let clientSide: ControlPlane;
  let serverSide: ControlPlane;
  let manifests: string;

  beforeAll(async () => {
    [clientSide, serverSide] = await Promise.all([
      startControlPlane({ audit: false }),
      startControlPlane({ audit: false }),
    ]);
    manifests = await clientSide.kubectlOk(['kustomize', ROOT]);
  }, 120_000);
  afterAll(async () => {
    await Promise.all([clientSide, serverSide].map((each) => each?.stop()));
  });

  it('are accepted by apply, twice, without a warning, and the second time changes nothing', async () => {
    const first = await clientSide.kubectl(['apply', '-f', '-'], { input: manifests });
    expectQuiet(first);
    const second = await clientSide.kubectl(['apply', '-f', '-'], { input: manifests });
    expectQuiet(second);
    expect(lines(second.stdout).filter((line) => !line.endsWith(' unchanged'))).toEqual([]);
  });

  it('are accepted by apply --server-side, twice, without a warning', async () => {
    for (let i = 0; i < 2; i++) {
      expectQuiet(await serverSide.kubectl(['apply', '--server-side', '-f', '-'], { input: manifests }));
    }
  });

  it('are accepted by a dry run of the server', async () => {
    expectQuiet(await clientSide.kubectl(['apply', '--dry-run=server', '-f', '-'], { input: manifests }));
  });

  it('are accepted by apply --server-side where apply was used before', async () => {
    expectQuiet(await clientSide.kubectl(['apply', '--server-side', '-f', '-'], { input: manifests }));
  });

  it('carry the recommended labels on every object', () => {
    for (const { kind, metadata } of documents(manifests)) {
      expect({ kind, name: metadata.name, labels: metadata.labels }).toMatchObject({
        labels: {
          'app.kubernetes.io/name': 'datapath-observer',
          'app.kubernetes.io/part-of': 'datapath-observer',
          'app.kubernetes.io/version': expect.stringMatching(/^\d+\.\d+\.\d+$/) as string,
          'app.kubernetes.io/managed-by': 'kustomize',
        },
      });
    }
  });

  it('hold a CRD that is far below what an apply can annotate', async () => {
    const crds = documents(manifests).filter(({ kind }) => kind === 'CustomResourceDefinition');
    expect(crds.map(({ metadata }) => metadata.name)).toContain('datapathresults.datapath.observer');
    for (const crd of crds) expect(JSON.stringify(crd).length).toBeLessThan(262_144 / 4);
    const stored = await serverSide.kubectlOk([
      'get',
      'crd',
      ...crds.map(({ metadata }) => metadata.name),
      '-o',
      'json',
    ]);
    // A schema that isn't structural, or a rule that costs too much, shows itself here.
    for (const condition of conditionsOf(stored)) {
      if (condition.type === 'NonStructuralSchema') expect(condition.status).toBe('False');
      if (condition.type === 'Established') expect(condition.status).toBe('True');
    }
  });

  it("let the controller's Pod run where Pod Security enforces restricted", async () => {
    const template = documents(manifests).find(({ kind }) => kind === 'Deployment')?.spec?.template;
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      ...template,
      metadata: { ...template?.metadata, name: 'controller', namespace: 'datapath-observer' },
    };
    const apply = (body: object): Promise<KubectlResult> =>
      serverSide.kubectl(['create', '--dry-run=server', '-f', '-'], { input: JSON.stringify(body) });
    expectQuiet(await apply(pod));
    const privileged = { ...pod, spec: { ...template?.spec, hostNetwork: true } };
    expect(await apply(privileged)).toMatchObject({ code: 1, stderr: expect.stringContaining('PodSecurity') });
  });

  it('hold a network policy that is accepted by apply, then by apply --server-side', async () => {
    const policy = await clientSide.kubectlOk(['kustomize', `${ROOT}/config/network-policy`]);
    for (const flags of [[], ['--server-side']]) {
      expectQuiet(await clientSide.kubectl(['apply', ...flags, '-f', '-'], { input: policy }));
    }
  });

  it('hold an account for Prometheus that may read metrics and nothing else', async () => {
    expectQuiet(await serverSide.kubectl(['apply', '-f', `${ROOT}/config/prometheus/metrics-reader.yaml`]));
    await clientSide.kubectlOk(['kustomize', `${ROOT}/config/prometheus`]);
    const reader = 'system:serviceaccount:datapath-observer:datapath-metrics-reader';
    expect(await allowed(serverSide, reader, { verb: 'get', path: '/metrics' })).toBe(true);
    expect(await allowed(serverSide, reader, { verb: 'get', path: '/logs' })).toBe(false);
    expect(await allowed(serverSide, reader, { verb: 'list', group: '', resource: 'pods', namespace: '' })).toBe(false);
  });

  it('take the place of a Deployment that already runs in perf-ns, and leave that namespace as it is', async () => {
    const labels = { app: 'datapath-controller' };
    const former = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'datapath-controller', namespace: 'perf-ns' },
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            nodeSelector: { former: 'yes' },
            containers: [
              {
                name: 'controller',
                image: 'former',
                args: ['--former'],
                ports: [{ containerPort: 8082, name: 'http' }],
              },
            ],
          },
        },
      },
    };
    await clientSide.kubectlOk(['create', 'namespace', 'perf-ns']);
    await clientSide.kubectlOk(['apply', '-f', '-'], { input: JSON.stringify(former) });
    const dropIn = await clientSide.kubectlOk(['kustomize', `${ROOT}/config/overlays/drop-in`]);
    expectQuiet(await clientSide.kubectl(['apply', '-f', '-'], { input: dropIn }));
    expect(documents(dropIn).filter(({ kind }) => kind === 'Namespace')).toEqual([]);

    const json = await clientSide.kubectlOk([
      'get',
      'deployment',
      'datapath-controller',
      '-n',
      'perf-ns',
      '-o',
      'json',
    ]);
    const { spec } = JSON.parse(json) as {
      readonly spec: {
        readonly selector: { readonly matchLabels: object };
        readonly template: { readonly spec: { readonly containers: readonly { readonly args: readonly string[] }[] } };
      };
    };
    expect(spec.selector.matchLabels).toEqual(labels);
    expect(spec.template.spec).not.toHaveProperty('nodeSelector.former');
    expect(spec.template.spec.containers).toHaveLength(1);
    expect(spec.template.spec.containers[0]?.args).toContain('--api-bind-address=:8082');
    const service = await clientSide.kubectlOk([
      'get',
      'service',
      'datapath-controller',
      '-n',
      'perf-ns',
      '-o',
      'json',
    ]);
    expect(JSON.parse(service)).toMatchObject({
      spec: { selector: labels, ports: [{ name: 'http', port: 8082 }, {}] },
    });
    const binding = await clientSide.kubectlOk(['get', 'clusterrolebinding', 'datapath-controller', '-o', 'json']);
    expect(JSON.parse(binding)).toMatchObject({ subjects: [{ name: 'datapath-controller', namespace: 'perf-ns' }] });
  });

  it('hold samples that are accepted in a restricted namespace, without a warning', async () => {
    const samples = await serverSide.kubectlOk(['kustomize', `${ROOT}/config/samples`]);
    expectQuiet(await serverSide.kubectl(['apply', '-f', '-'], { input: samples }));
    const workloads = documents(samples).filter(({ spec }) => spec?.template !== undefined);
    expect(workloads.length).toBeGreaterThan(2);
    for (const { metadata, spec } of workloads) {
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        ...spec?.template,
        metadata: { ...spec?.template?.metadata, name: metadata.name, namespace: 'datapath-samples' },
      };
      expectQuiet(await serverSide.kubectl(['create', '--dry-run=server', '-f', '-'], { input: JSON.stringify(pod) }));
    }
  });

  describe("the controller's rights", () => {
    const everywhere = '';
    const own = 'datapath-observer';
    it.each([
      ['list', '', 'pods', everywhere],
      ['watch', '', 'pods', everywhere],
      ['get', '', 'pods', 'any'],
      ['watch', '', 'namespaces', everywhere],
      ['list', 'apps', 'replicasets', everywhere],
      ['watch', 'apps', 'deployments', everywhere],
      ['list', 'apps', 'statefulsets', everywhere],
      ['list', 'apps', 'daemonsets', everywhere],
      ['list', 'batch', 'jobs', everywhere],
      ['list', '', 'replicationcontrollers', everywhere],
      ['create', 'datapath.observer', 'datapathresults', 'any'],
      ['patch', 'datapath.observer', 'datapathresults', 'any'],
      ['watch', 'datapath.observer', 'datapathresults', everywhere],
      ['patch', 'datapath.observer', 'datapathresults/status', 'any'],
      ['delete', 'datapath.observer', 'datapathresults', 'any'],
      ['watch', 'datapath.observer', 'datapathruns', everywhere],
      ['create', 'datapath.observer', 'datapathruns', everywhere],
      ['delete', 'datapath.observer', 'datapathruns', everywhere],
      ['patch', 'datapath.observer', 'datapathruns/status', everywhere],
      ['create', 'authentication.k8s.io', 'tokenreviews', everywhere],
      ['create', 'authorization.k8s.io', 'subjectaccessreviews', everywhere],
      ['create', 'coordination.k8s.io', 'leases', own],
    ])('include to %s %s %s in %j', async (verb, group, resource, namespace) => {
      expect(await allowed(serverSide, CONTROLLER, { verb, group, resource, namespace })).toBe(true);
    });

    it.each([
      ['get', '', 'secrets', own],
      ['list', '', 'configmaps', own],
      ['create', '', 'pods', 'any'],
      ['patch', '', 'pods', 'any'],
      ['update', '', 'pods', own],
      ['delete', '', 'pods', 'any'],
      ['patch', '', 'pods/status', 'any'],
      ['create', '', 'pods/exec', 'any'],
      ['get', '', 'pods/log', 'any'],
      ['create', '', 'serviceaccounts/token', own],
      ['get', '', 'nodes', everywhere],
      ['patch', '', 'namespaces', everywhere],
      ['patch', 'apps', 'deployments', own],
      ['update', 'datapath.observer', 'datapathresults', 'any'],
      ['patch', 'datapath.observer', 'datapathruns', everywhere],
      ['deletecollection', 'datapath.observer', 'datapathresults', 'any'],
      ['create', 'coordination.k8s.io', 'leases', 'any'],
      ['delete', 'coordination.k8s.io', 'leases', own],
      ['list', 'coordination.k8s.io', 'leases', own],
      ['get', 'apiextensions.k8s.io', 'customresourcedefinitions', everywhere],
      ['get', 'rbac.authorization.k8s.io', 'clusterroles', everywhere],
      ['impersonate', '', 'users', everywhere],
    ])('do not include to %s %s %s in %j', async (verb, group, resource, namespace) => {
      expect(await allowed(serverSide, CONTROLLER, { verb, group, resource, namespace })).toBe(false);
    });
  });

  it('let the controller read and renew its own Lease, and no other', async () => {
    const lease = { group: 'coordination.k8s.io', resource: 'leases', namespace: 'datapath-observer' };
    for (const verb of ['get', 'patch']) {
      expect(await allowed(serverSide, CONTROLLER, { ...lease, verb, name: LEASE_NAME })).toBe(true);
      expect(await allowed(serverSide, CONTROLLER, { ...lease, verb, name: 'another' })).toBe(false);
    }
  });

  it('give a reporter, where its namespace binds the role, the right to patch Pods and nothing else', async () => {
    const reporter = 'system:serviceaccount:datapath-samples:native-sidecar';
    const may = (verb: string, resource: string, namespace: string): Promise<boolean> =>
      allowed(serverSide, reporter, { verb, group: '', resource, namespace });
    expect(await may('patch', 'pods', 'datapath-samples')).toBe(true);
    expect(await may('patch', 'pods', 'default')).toBe(false);
    for (const verb of ['get', 'list', 'update', 'delete', 'create']) {
      expect([verb, await may(verb, 'pods', 'datapath-samples')]).toEqual([verb, false]);
    }
  });
});

interface ResourceAccess {
  readonly verb: string;
  readonly group: string;
  /** With its subresource: `pods/log`. */
  readonly resource: string;
  /** Empty: in all namespaces. */
  readonly namespace: string;
  readonly name?: string;
}

interface PathAccess {
  readonly verb: string;
  readonly path: string;
}

/** Asks the API server itself. */
async function allowed(
  controlPlane: ControlPlane,
  user: string,
  access: ResourceAccess | PathAccess,
): Promise<boolean> {
  const groups = [
    'system:serviceaccounts',
    `system:serviceaccounts:${user.split(':')[2] ?? ''}`,
    'system:authenticated',
  ];
  const { text } = await controlPlane.request('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { user, groups, ...attributesOf(access) },
  });
  const review = JSON.parse(text) as { readonly status?: { readonly allowed?: boolean } };
  if (review.status?.allowed === undefined) throw new Error(`no answer: ${text}`);
  return review.status.allowed;
}

function attributesOf(access: ResourceAccess | PathAccess): object {
  if ('path' in access) return { nonResourceAttributes: access };
  const [resource, subresource] = access.resource.split('/');
  return { resourceAttributes: { ...access, resource, ...(subresource === undefined ? {} : { subresource }) } };
}

/** Success, and not a word on standard error: that is where kubectl prints the API server's warnings. */
function expectQuiet(result: KubectlResult): void {
  expect({ code: result.code, stderr: result.stderr }).toEqual({ code: 0, stderr: '' });
}

function documents(text: string): readonly Manifest[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

function lines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}

function conditionsOf(json: string): readonly { readonly type: string; readonly status: string }[] {
  type Conditioned = { readonly status: { readonly conditions: readonly { type: string; status: string }[] } };
  const answer = JSON.parse(json) as Conditioned & { readonly items?: readonly Conditioned[] };
  return (answer.items ?? [answer]).flatMap(({ status }) => status.conditions);
}
