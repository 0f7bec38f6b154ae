/** The built reporter against the real API server, as a Pod with a bound token and the right to patch Pods. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { READY_AT, REPORT, STARTED_AT } from '../../src/datapath/annotations.js';
import { elapsedMs, parseInstant } from '../../src/datapath/instant.js';
import { decodeReport, type Report } from '../../src/datapath/report.js';
import { CertificateAuthority } from '../../tools/control-plane/certificates.js';
import { attachControlPlane, type ControlPlane } from '../../tools/control-plane/launcher.js';
import { closedPort, httpsTarget, tcpTarget, type ProbeTarget } from '../support/probe-targets.js';
import { createPod, createReporterNamespace, grant, mountServiceAccount, readPod } from '../support/reporter-pod.js';
import type { PodHandle } from '../support/reporter-pod.js';
import { eventually, reporterBuilds, Sandbox } from '../support/reporter-process.js';

const NAMESPACE = `reporter-${process.pid}`;

let controlPlane: ControlPlane;
let target: ProbeTarget;
let sandbox: Sandbox;
let serial = 0;

beforeAll(async () => {
  controlPlane = await attachControlPlane(process.env['CONTROL_PLANE_STATE'] ?? '');
  await createReporterNamespace(controlPlane, NAMESPACE);
  target = await tcpTarget();
}, 60_000);

afterAll(async () => {
  await target.close();
});

beforeEach(() => {
  sandbox = new Sandbox();
});

afterEach(() => {
  sandbox.remove();
});

describe.each(reporterBuilds())('the reporter ($name)', (build) => {
  it('annotates its own Pod with start and readiness, found through the claims of its token', async () => {
    const { pod, env } = await newPod();
    const ending = await sandbox.start(build, { ...env, ...ready(), AFTER_REPORT: 'exit' }).ended;
    expect(ending).toMatchObject({ code: 0, report: { state: 'Ready', attempts: 1, restarts: 0, uid: pod.uid } });
    const annotations = await annotationsOf(pod);
    expect(reportIn(annotations)).toEqual(ending.report);
    expect(parseInstant(annotations[STARTED_AT] ?? '')).toBe(ending.report.startedAt);
    expect(parseInstant(annotations[READY_AT] ?? '')).toBe(ending.report.readyAt);
    expect(elapsedMs(ending.report.startedAt, ending.report.readyAt ?? 0n)).toBe(ending.report.delayMs);
  });

  it('writes the start while the target is still away, and readiness when it comes', async () => {
    const { pod, env } = await newPod();
    const port = await closedPort();
    const settings = { PROBE_TARGET: `127.0.0.1:${port}`, PROBE_INTERVAL: '500ms', AFTER_REPORT: 'exit' };
    const reporter = sandbox.start(build, { ...env, ...settings });
    await eventually(async () => STARTED_AT in (await annotationsOf(pod)), 'the start');
    const early = await annotationsOf(pod);
    expect(reportIn(early)).toMatchObject({ state: 'Probing' });
    expect(early).not.toHaveProperty(READY_AT);
    const openedAt = Date.now();
    const late = await tcpTarget(undefined, port);
    const { report } = await reporter.ended;
    await late.close();
    const annotations = await annotationsOf(pod);
    expect(annotations[STARTED_AT]).toBe(early[STARTED_AT]);
    expect(reportIn(annotations)).toEqual(report);
    expect(report).toMatchObject({ state: 'Ready', lastError: { kind: 'refused' } });
    expect(report.attempts).toBe((report.errors?.refused ?? 0) + 1);
    expect(Number((report.readyAt ?? 0n) / 1_000_000n)).toBeGreaterThanOrEqual(openedAt - 1);
  });

  it('keeps the start when the probe times out', async () => {
    const { pod, env } = await newPod();
    const settings = { PROBE_TARGET: `127.0.0.1:${await closedPort()}`, PROBE_TIMEOUT: '600ms', ON_TIMEOUT: 'fail' };
    const ending = await sandbox.start(build, { ...env, ...settings }).ended;
    expect(ending).toMatchObject({ code: 2, report: { state: 'TimedOut', lastError: { kind: 'refused' } } });
    const annotations = await annotationsOf(pod);
    expect(parseInstant(annotations[STARTED_AT] ?? '')).toBe(ending.report.startedAt);
    expect(annotations).not.toHaveProperty(READY_AT);
    expect(reportIn(annotations)).toEqual(ending.report);
  });

  it('takes name and namespace from the environment before the claims', async () => {
    const { pod, env } = await newPod();
    const named = { POD_NAME: pod.name, POD_NAMESPACE: pod.namespace };
    const ending = await sandbox.start(build, { ...env, ...named, ...ready(), AFTER_REPORT: 'exit' }).ended;
    expect(ending.report.uid).toBe(pod.uid);
    expect(await annotationsOf(pod)).toHaveProperty([READY_AT]);
  });

  it('does not stamp a successor with the same name', async () => {
    const { pod, env } = await newPod();
    await controlPlane.kubectlOk(['-n', NAMESPACE, 'delete', 'pod', pod.name, '--grace-period=0', '--force']);
    const successor = await createPod(controlPlane, NAMESPACE, pod.name);
    // The old token ended with its Pod; the successor's stands for one that is still accepted.
    await mountServiceAccount(controlPlane, successor, sandbox.folder);
    const ending = await sandbox.start(build, { ...env, ...ready(), POD_UID: pod.uid, AFTER_REPORT: 'exit' }).ended;
    expect(ending).toMatchObject({ code: 0, report: { state: 'Ready' } });
    expect(ending.log).toMatch(/"code":422/);
    expect(await annotationsOf(successor)).toEqual({});
  });

  it('keeps the measurement in the termination message when the Pod is gone (404)', async () => {
    const { pod, env } = await newPod();
    const other = await createPod(controlPlane, NAMESPACE, `${pod.name}-other`);
    await mountServiceAccount(controlPlane, other, sandbox.folder);
    await controlPlane.kubectlOk(['-n', NAMESPACE, 'delete', 'pod', pod.name, '--grace-period=0', '--force']);
    const ending = await sandbox.start(build, { ...env, ...ready(), POD_NAME: pod.name }).ended;
    expect(ending).toMatchObject({ code: 0, report: { state: 'Ready' } });
    expect(ending.log).toMatch(/"code":404/);
  });

  it('keeps the measurement in the termination message without the right to patch (403)', async () => {
    const { env } = await newPod();
    await controlPlane.kubectlOk(['-n', NAMESPACE, 'delete', 'rolebinding', 'reporter']);
    try {
      const settings = { ...env, ...ready() };
      await eventually(async () => {
        const { log, code, report } = await sandbox.start(build, { ...settings, AFTER_REPORT: 'exit' }).ended;
        expect([code, report.state]).toEqual([0, 'Ready']);
        return log.includes('"code":403');
      }, 'the API server to withdraw the right');
    } finally {
      await grant(controlPlane, NAMESPACE);
    }
  });

  it('keeps the measurement in the termination message with a token that is no longer accepted (401)', async () => {
    const { env } = await newPod();
    writeFileSync(join(sandbox.folder, 'service-account', 'token'), 'not.a.token');
    const settings = { ...env, ...ready(), POD_NAME: 'x', AFTER_REPORT: 'exit', REPORT_TIMEOUT: '1' };
    const ending = await sandbox.start(build, settings).ended;
    expect(ending).toMatchObject({ code: 0, report: { state: 'Ready' } });
    expect(ending.log).toMatch(/"code":401/);
  });

  it('reads a token that was renewed after a refusal', async () => {
    const { pod, env } = await newPod();
    writeFileSync(join(sandbox.folder, 'service-account', 'token'), 'not.a.token');
    const settings = { ...env, ...ready(), POD_NAME: pod.name, AFTER_REPORT: 'exit' };
    const reporter = sandbox.start(build, settings);
    await reporter.logged(/"code":401/);
    await mountServiceAccount(controlPlane, pod, sandbox.folder);
    await reporter.ended;
    expect(await annotationsOf(pod)).toHaveProperty([READY_AT]);
  });

  it('keeps the measurement when the API server refuses connections, and tries again within REPORT_TIMEOUT', async () => {
    const { pod, env } = await newPod();
    const elsewhere = { KUBERNETES_SERVICE_PORT: String(await closedPort()), REPORT_TIMEOUT: '900ms' };
    const ending = await sandbox.start(build, { ...env, ...ready(), ...elsewhere, AFTER_REPORT: 'exit' }).ended;
    expect(ending).toMatchObject({ code: 0, report: { state: 'Ready', attempts: 1 } });
    expect(ending.log.match(/trying again/g)?.length).toBeGreaterThan(1);
    expect(await annotationsOf(pod)).toEqual({});
  });

  it('keeps the measurement when the API server hangs, and lets the probe go on', async () => {
    const { env } = await newPod();
    const hung = await tcpTarget();
    const port = await closedPort();
    const elsewhere = { KUBERNETES_SERVICE_PORT: String(hung.port), API_TIMEOUT: '300ms', REPORT_TIMEOUT: '500ms' };
    const settings = { ...env, ...elsewhere, PROBE_TARGET: `127.0.0.1:${port}`, AFTER_REPORT: 'exit' };
    const reporter = sandbox.start(build, settings);
    await reporter.logged(/no answer of the API server within 300 ms/);
    const openedAt = Date.now();
    const late = await tcpTarget(undefined, port);
    const { code, report } = await reporter.ended;
    await Promise.all([late.close(), hung.close()]);
    expect([code, report.state]).toEqual([0, 'Ready']);
    expect(Number((report.readyAt ?? 0n) / 1_000_000n)).toBeGreaterThanOrEqual(openedAt - 1);
  });

  it.each([
    [401, 1],
    [403, 1],
    [404, 1],
    [409, 2],
    [422, 1],
    [429, 2],
    [500, 2],
    [503, 2],
  ])('keeps the measurement when the API server always answers %i', async (code, leastTries) => {
    const { env } = await newPod();
    const authority = new CertificateAuthority('answers');
    writeFileSync(join(sandbox.folder, 'service-account', 'ca.crt'), authority.certificate);
    let tries = 0;
    const certificate = authority.issue({ commonName: 'api', hosts: ['127.0.0.1'] });
    const server = await httpsTarget(certificate, (_, response) => {
      tries += 1;
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify({ message: 'no' }));
    });
    const elsewhere = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(server.port) };
    // A busy machine may take a second for one try.
    const timeout = { REPORT_TIMEOUT: leastTries > 1 ? '3' : '1' };
    const settings = { ...env, ...elsewhere, ...ready(), ...timeout, AFTER_REPORT: 'exit' };
    const ending = await sandbox.start(build, settings).ended;
    await server.close();
    expect(ending).toMatchObject({ code: 0, report: { state: 'Ready', attempts: 1 } });
    expect(ending.log).toContain(`"code":${code}`);
    expect(tries).toBeGreaterThanOrEqual(leastTries);
  });

  it('does not trust an API server whose certificate its authority did not sign', async () => {
    const { pod, env } = await newPod();
    const stranger = new CertificateAuthority('stranger');
    writeFileSync(join(sandbox.folder, 'service-account', 'ca.crt'), stranger.certificate);
    const ending = await sandbox.start(build, { ...env, ...ready(), REPORT_TIMEOUT: '1', AFTER_REPORT: 'exit' }).ended;
    expect(ending).toMatchObject({ code: 0, report: { state: 'Ready' } });
    expect(ending.log).toMatch(/certificate/i);
    expect(await annotationsOf(pod)).toEqual({});
  });

  it('does not trust an API server under a name that its certificate does not hold', async () => {
    const { pod, env } = await newPod();
    writeFileSync(join(sandbox.folder, 'hosts'), `127.0.0.1 elsewhere.example\n`);
    const elsewhere = { KUBERNETES_SERVICE_HOST: 'elsewhere.example', HOSTS_FILE: join(sandbox.folder, 'hosts') };
    const settings = { ...env, ...elsewhere, ...ready(), REPORT_TIMEOUT: '1', AFTER_REPORT: 'exit' };
    const ending = await sandbox.start(build, settings).ended;
    expect(ending).toMatchObject({ code: 0, report: { state: 'Ready' } });
    expect(ending.log).toMatch(/altname|hostname/i);
    expect(await annotationsOf(pod)).toEqual({});
  });

  it('tells readiness after SIGTERM came too late, and a stop when it came before', async () => {
    const { pod, env } = await newPod();
    const settings = { ...env, PROBE_TARGET: `127.0.0.1:${await closedPort()}` };
    const reporter = sandbox.start(build, settings);
    await eventually(async () => STARTED_AT in (await annotationsOf(pod)), 'the start');
    reporter.kill('SIGTERM');
    const ending = await reporter.ended;
    expect(ending).toMatchObject({ code: 143, report: { state: 'Stopped', lastError: { kind: 'refused' } } });
    expect(reportIn(await annotationsOf(pod))).toEqual(ending.report);
  });

  describe('AFTER_REPORT=auto', () => {
    const reporterContainer = { name: 'datapath-reporter', image: 'reporter' };
    const app = { name: 'app', image: 'app' };

    it.each([
      ['exits as a plain init container', { initContainers: [reporterContainer], containers: [app] }],
      ['exits in a Pod that is not restarted', { restartPolicy: 'Never', containers: [reporterContainer, app] }],
      ['exits in a Job-like Pod', { restartPolicy: 'OnFailure', containers: [reporterContainer, app] }],
    ])('%s', async (_, spec) => {
      const { env } = await newPod(spec);
      const ending = await sandbox.start(build, { ...env, ...ready() }).ended;
      expect(ending).toMatchObject({ code: 0, report: { state: 'Ready' } });
      expect(ending.log).toMatch(/"place":"mayExit"/);
    });

    it.each([
      ['idles as an ordinary container', { containers: [reporterContainer, app] }],
      [
        'idles as a native sidecar, also where the Pod is not restarted',
        {
          restartPolicy: 'Never',
          initContainers: [{ ...reporterContainer, restartPolicy: 'Always' }],
          containers: [app],
        },
      ],
    ])('%s, until SIGTERM', async (_, spec) => {
      const { env } = await newPod(spec);
      const reporter = sandbox.start(build, { ...env, ...ready() });
      await reporter.idle();
      expect(reporter.log).toMatch(/"place":"mustIdle"/);
      reporter.kill('SIGTERM');
      expect(await reporter.ended).toMatchObject({ code: 0, report: { state: 'Ready' } });
    });
  });

  it('keeps first start and first readiness over restarts, and counts them', async () => {
    const { pod, env } = await newPod();
    const settings = { ...env, ...ready(), AFTER_REPORT: 'exit' };
    const first = await sandbox.start(build, settings).ended;
    const second = await sandbox.start(build, settings).ended;
    expect(second.report).toEqual({ ...first.report, restarts: 1 });
    expect(reportIn(await annotationsOf(pod))).toEqual(second.report);
  });

  it('needs two calls of the API server where the target is late, one where it answers at once', async () => {
    const { pod, env } = await newPod();
    await sandbox.start(build, { ...env, ...ready(), AFTER_REPORT: 'exit' }).ended;
    expect(await patchesOf(pod)).toBe(1);
    const late = await newPod();
    const settings = { PROBE_TARGET: `127.0.0.1:${await closedPort()}`, PROBE_TIMEOUT: '500ms' };
    sandbox.remove();
    sandbox = new Sandbox();
    const lateEnv = await mountServiceAccount(controlPlane, late.pod, sandbox.folder);
    await sandbox.start(build, { ...lateEnv, ...settings, AFTER_REPORT: 'exit' }).ended;
    expect(await patchesOf(late.pod)).toBe(2);
  });
});

/** A target that answers; no second attempt begins while this busy process is late to accept the first. */
function ready(): Readonly<Record<string, string>> {
  return { PROBE_TARGET: `127.0.0.1:${target.port}`, PROBE_INTERVAL: '10s' };
}

async function newPod(
  spec?: Readonly<Record<string, unknown>>,
): Promise<{ pod: PodHandle; env: Readonly<Record<string, string>> }> {
  serial += 1;
  const pod = await createPod(controlPlane, NAMESPACE, `pod-${serial}`, spec);
  return { pod, env: await mountServiceAccount(controlPlane, pod, sandbox.folder) };
}

async function annotationsOf(pod: PodHandle): Promise<Readonly<Record<string, string>>> {
  return (await readPod(controlPlane, pod)).metadata.annotations ?? {};
}

function reportIn(annotations: Readonly<Record<string, string>>): Report {
  const decoded = decodeReport(annotations[REPORT] ?? '');
  if ('problem' in decoded) throw new Error(`the report ${decoded.problem}`);
  return decoded.report;
}

/** Patches of a Pod that the API server has logged. */
async function patchesOf(pod: PodHandle): Promise<number> {
  const { readFile } = await import('node:fs/promises');
  const log = await readFile(controlPlane.auditLogPath ?? '', 'utf8');
  return log
    .split('\n')
    .filter((line) => line.includes('"ResponseComplete"') && line.includes('"verb":"patch"'))
    .filter((line) => line.includes(`/pods/${pod.name}?`) && line.includes(`/namespaces/${pod.namespace}/`)).length;
}
