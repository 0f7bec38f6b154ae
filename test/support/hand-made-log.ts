/** An audit log written by hand: a short story of Pods, results and leases, in the shape in which the API server tells it. */
import type { AuditEvent } from '../../tools/invariants/audit-event.js';
import { CONTROLLER_USER, LEASE_NAME } from '../../tools/invariants/check.js';
import type { ResultStatus, RunStatus } from '../../tools/invariants/objects.js';

const START_MS = Date.parse('2026-01-01T00:00:00Z');

export interface ResultStory {
  readonly podUid: string;
  readonly name?: string;
  /** The uid of the result itself; another one is another object. */
  readonly uid?: string;
  /** `null` where the request says nothing of it. */
  readonly spec?: object | null;
  readonly labels?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  /** A deletion of it waits for its finalizers. */
  readonly ending?: boolean;
  readonly status?: ResultStatus;
  readonly by?: string;
  readonly code?: number;
  /** The answer has the metadata alone, and the request has the rest. */
  readonly metadataOnly?: boolean;
  /** The version that the write left; by default a new one. */
  readonly version?: number;
}

/** Each call is one line of the log, a hundred milliseconds after the one before it. */
export class HandMadeLog {
  readonly events: AuditEvent[] = [];
  #now = START_MS;
  #version = 100;
  #ids = 0;
  readonly #runs = new Set<string>();

  get now(): number {
    return this.#now;
  }

  /** ISO text of an instant so many seconds after the beginning of the story. */
  static at(seconds: number): string {
    return new Date(START_MS + seconds * 1000).toISOString();
  }

  pass(seconds: number): this {
    this.#now += seconds * 1000;
    return this;
  }

  /** A controller watches Pods from now on. @returns what ends the watch */
  watch(actor = 'one', namespace?: string): () => void {
    const auditID = `watch-${this.#ids++}`;
    const line = (stage: string): void =>
      this.#add({
        ...this.#by(actor),
        auditID,
        stage,
        verb: 'watch',
        requestURI: '/api/v1/pods?watch=true',
        objectRef: { resource: 'pods', ...(namespace === undefined ? {} : { namespace }) },
        responseStatus: { code: 200 },
      });
    line('ResponseStarted');
    return () => line('ResponseComplete');
  }

  /** A sign of life of a controller: it reads something. */
  read(actor = 'one'): this {
    this.#add({ ...this.#by(actor), verb: 'get', objectRef: { resource: 'namespaces', name: 'x' } });
    return this;
  }

  pod(
    verb: 'create' | 'patch' | 'delete',
    uid: string,
    more: {
      readonly annotations?: Readonly<Record<string, string>>;
      readonly labels?: Readonly<Record<string, string>>;
      readonly reporter?: boolean;
    } = {},
  ): this {
    const { annotations = {}, labels = {}, reporter = true } = more;
    const ending = verb === 'delete' ? { deletionTimestamp: this.#iso(), deletionGracePeriodSeconds: 0 } : {};
    this.#add({
      verb,
      objectRef: { resource: 'pods', namespace: 'x', name: `pod-${uid}` },
      responseStatus: { code: verb === 'create' ? 201 : 200 },
      responseObject: {
        kind: 'Pod',
        metadata: {
          name: `pod-${uid}`,
          namespace: 'x',
          uid,
          creationTimestamp: this.#iso(),
          labels,
          annotations,
          ...ending,
        },
        spec: { initContainers: reporter ? [{ name: 'datapath-reporter' }] : [], containers: [{ name: 'app' }] },
      },
    });
    return this;
  }

  result(verb: 'create' | 'patch' | 'delete', story: ResultStory): this {
    const { podUid, name = `dpresult-${podUid}`, uid = `result-of-${podUid}`, by = 'one' } = story;
    const code = story.code ?? (verb === 'create' ? 201 : 200);
    const version = story.version ?? this.#version++;
    const metadata = {
      name,
      namespace: 'x',
      uid,
      resourceVersion: String(version),
      labels: story.labels ?? {},
      ...(story.finalizers === undefined ? {} : { finalizers: story.finalizers }),
      ...(story.ending === true ? { deletionTimestamp: this.#iso() } : {}),
    };
    const said = {
      ...(story.spec === null
        ? {}
        : { spec: story.spec ?? { podRef: { uid: podUid, name: `pod-${podUid}`, namespace: 'x' } } }),
      ...(story.status === undefined ? {} : { status: story.status }),
    };
    this.#add({
      ...(by === 'somebody' ? {} : this.#by(by)),
      verb,
      objectRef: {
        resource: 'datapathresults',
        namespace: 'x',
        name,
        apiGroup: 'datapath.observer',
        ...(verb === 'patch' && story.status !== undefined ? { subresource: 'status' } : {}),
      },
      responseStatus: { code },
      ...(story.metadataOnly === true || code >= 500 ? { requestObject: said } : {}),
      responseObject:
        code >= 300 || (verb === 'delete' && story.ending !== true)
          ? { kind: 'Status' }
          : story.metadataOnly === true
            ? { kind: 'PartialObjectMetadata', metadata }
            : { kind: 'DatapathResult', metadata, ...said },
    });
    return this;
  }

  /** A controller writes the status of a run; the first time somebody makes the run before. */
  run(name: string, status: RunStatus, by = 'one'): this {
    if (!this.#runs.has(name)) this.#run('create', name, {});
    this.#runs.add(name);
    return this.#run('patch', name, { ...this.#by(by) }, status);
  }

  deleteRun(name: string): this {
    this.#add({ verb: 'delete', objectRef: { resource: 'datapathruns', name }, responseStatus: { code: 200 } });
    return this;
  }

  #run(verb: string, name: string, by: Partial<AuditEvent>, status?: RunStatus): this {
    this.#add({
      ...by,
      verb,
      objectRef: { resource: 'datapathruns', name, ...(status === undefined ? {} : { subresource: 'status' }) },
      responseStatus: { code: verb === 'create' ? 201 : 200 },
      responseObject: {
        kind: 'DatapathRun',
        metadata: { name, uid: `uid-of-${name}`, resourceVersion: String(this.#version++) },
        ...(status === undefined ? {} : { status }),
      },
    });
    return this;
  }

  lease(actor: string, holder = `replica-${actor}`, transitions = 0): this {
    this.#add({
      ...this.#by(actor),
      verb: 'patch',
      objectRef: { resource: 'leases', namespace: 'datapath-observer', name: LEASE_NAME },
      responseStatus: { code: 200 },
      responseObject: {
        kind: 'Lease',
        metadata: { name: LEASE_NAME, uid: 'lease', resourceVersion: String(this.#version++) },
        spec: { holderIdentity: holder, leaseDurationSeconds: 15, leaseTransitions: transitions },
      },
    });
    return this;
  }

  #by(actor: string): Pick<AuditEvent, 'user'> {
    return {
      user: { username: CONTROLLER_USER, extra: { 'authentication.kubernetes.io/credential-id': [`JTI=${actor}`] } },
    };
  }

  #iso(): string {
    return new Date(this.#now).toISOString();
  }

  #add(event: Partial<AuditEvent> & Pick<AuditEvent, 'verb'>): void {
    const requestReceivedTimestamp = this.#iso();
    this.#now += 100;
    this.events.push({
      auditID: `event-${this.#ids++}`,
      stage: 'ResponseComplete',
      requestURI: '/',
      user: { username: 'somebody' },
      requestReceivedTimestamp,
      stageTimestamp: this.#iso(),
      ...event,
    });
  }
}
