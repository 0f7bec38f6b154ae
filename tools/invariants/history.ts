/**
 * The audit log, folded into what happened to each Pod, each result, each run and the Lease. Pure: events in, histories out.
 *
 * Assumptions
 * - The log is whole from the first event that matters (it is bounded: a very long run loses its beginning).
 * - Each controller process has a credential of its own, so that its requests can be told from another's.
 */
import { actorOf, epochMsOf, isWrite, succeeded } from './audit-event.js';
import type { AuditEvent } from './audit-event.js';
import { GivenUpWrites } from './given-up-writes.js';
import { mergePatch } from './merge-patch.js';
import { carriesReporter, objectOf } from './objects.js';
import type { LeaseObject, PodObject, ResultObject, RunObject } from './objects.js';

export interface PodVersion {
  /** When the answer was sent, milliseconds since the epoch, as all times here. */
  readonly at: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly ending: boolean;
}

export interface PodHistory {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly createdAt: number;
  reporter: boolean;
  deletedAt?: number;
  readonly versions: PodVersion[];
  /** Writes to its status by a node: what they say of failures isn't judged here, only that they were. */
  readonly statusWrites: number[];
}

export interface ResultVersion {
  readonly receivedAt: number;
  readonly at: number;
  readonly version: number;
  readonly byController: boolean;
  /** Where the answer had the metadata alone, the rest is what the requests up to this one add up to. */
  readonly object: ResultObject;
}

/** One result from its creation to its deletion; made again under the same name it is another. */
export interface ResultHistory {
  readonly uid: string;
  readonly key: string;
  readonly podUid: string;
  readonly createdAt?: number;
  deletedAt?: number;
  readonly versions: ResultVersion[];
}

export interface RunVersion {
  readonly receivedAt: number;
  readonly at: number;
  readonly version: number;
  /** Whether a controller wrote its status. */
  readonly byController: boolean;
  readonly object: RunObject;
}

/** One DatapathRun from its creation to its deletion; made again under the same name it is another. */
export interface RunHistory {
  readonly uid: string;
  readonly name: string;
  /** Without it the run was there before the log began. */
  readonly createdAt?: number;
  deletedAt?: number;
  readonly versions: RunVersion[];
}

/** A request of a controller that asked to write a result, whatever came of it. */
export interface WriteAttempt {
  readonly key: string;
  readonly actor: string;
  readonly receivedAt: number;
  readonly at: number;
  readonly verb: string;
  readonly code: number;
}

export interface LeaseWrite {
  readonly actor: string;
  readonly receivedAt: number;
  readonly at: number;
  readonly version: number;
  /** `''` when it was given back. */
  readonly holder: string;
  readonly durationMs: number;
  readonly transitions: number;
}

/** A watch of Pods by a controller. Without an end it was open at the end of the log. */
export interface PodWatch {
  readonly actor: string;
  readonly namespace: string | undefined;
  readonly selector: boolean;
  readonly from: number;
  to?: number;
}

export interface ActorHistory {
  readonly actor: string;
  first: number;
  last: number;
  /** When each request arrived, in order of completion. */
  readonly requests: number[];
}

export interface History {
  readonly events: number;
  readonly first: number;
  readonly last: number;
  readonly pods: ReadonlyMap<string, PodHistory>;
  readonly results: readonly ResultHistory[];
  readonly runs: readonly RunHistory[];
  /** Names of runs that have results in namespaces that aren't looked at. */
  readonly runsElsewhere: ReadonlySet<string>;
  readonly attempts: readonly WriteAttempt[];
  readonly leaseWrites: readonly LeaseWrite[];
  readonly watches: readonly PodWatch[];
  /** The controller processes, by credential. */
  readonly actors: ReadonlyMap<string, ActorHistory>;
  /** When somebody else than a controller wrote a Pod or a result, anywhere and at any time: what makes controllers ask. */
  readonly changes: readonly number[];
}

export interface HistoryOptions {
  /** Only what is in these namespaces; all without. */
  readonly namespaces?: readonly string[] | undefined;
  /** Only events that arrived from then on. */
  readonly since?: number | undefined;
  /** The user that controllers act as. */
  readonly controllerUser: string;
  readonly leaseName: string;
}

export class HistoryBuilder {
  readonly #options: HistoryOptions;
  readonly #pods = new Map<string, PodHistory>();
  readonly #podByName = new Map<string, PodHistory>();
  readonly #results = new Map<string, ResultHistory>();
  readonly #resultByKey = new Map<string, ResultHistory>();
  readonly #runs = new Map<string, RunHistory>();
  readonly #runsElsewhere = new Set<string>();
  readonly #attempts: WriteAttempt[] = [];
  readonly #givenUp = new GivenUpWrites();
  readonly #leaseWrites: LeaseWrite[] = [];
  readonly #watches = new Map<string, PodWatch>();
  readonly #actors = new Map<string, ActorHistory>();
  readonly #changes: number[] = [];
  #events = 0;
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  add(event: AuditEvent): void {
    const at = epochMsOf(event.stageTimestamp);
    const receivedAt = epochMsOf(event.requestReceivedTimestamp);
    const byController = event.user.username === this.#options.controllerUser;
    const { resource, namespace, name } = event.objectRef ?? { resource: '' };
    const completed = event.stage === 'ResponseComplete';
    // Who watches and who leads may have begun before the run that is judged.
    if (resource === 'pods' && event.verb === 'watch' && byController) this.#onWatch(event, at);
    if (resource === 'leases' && name === this.#options.leaseName && completed && isWrite(event))
      this.#onLease(event, at);
    const measured = resource === 'pods' || resource === 'datapathresults';
    if (measured && completed && isWrite(event) && !byController) this.#changes.push(at);
    if (receivedAt < (this.#options.since ?? Number.NEGATIVE_INFINITY)) return;

    this.#events++;
    this.#first = Math.min(this.#first, receivedAt);
    this.#last = Math.max(this.#last, at);
    if (byController) this.#onActor(event, receivedAt, at);
    const { namespaces } = this.#options;
    if (!completed || !isWrite(event)) return;
    if (resource === 'datapathruns') this.#onRun(event, receivedAt, at, byController);
    if (namespaces !== undefined && !namespaces.includes(namespace ?? '')) {
      const elsewhere = resource === 'datapathresults' ? runNameIn(event) : undefined;
      if (elsewhere !== undefined) this.#runsElsewhere.add(elsewhere);
      return;
    }
    if (resource === 'pods') this.#onPod(event, at);
    else if (resource === 'datapathresults') this.#onResult(event, at, byController);
  }

  build(): History {
    for (const result of this.#results.values()) {
      result.versions.sort((a, b) => a.version - b.version);
      const { createdAt, key, versions } = result;
      completeVersions(versions, createdAt === undefined ? this.#givenUp.creationOf(key) : undefined);
      const last = versions.at(-1);
      const after = last === undefined ? undefined : this.#givenUp.statusAfter(key, last);
      if (after !== undefined) versions.push(after);
    }
    for (const run of this.#runs.values()) run.versions.sort((a, b) => a.version - b.version);
    return {
      events: this.#events,
      first: this.#first,
      last: this.#last,
      pods: this.#pods,
      results: [...this.#results.values()],
      runs: [...this.#runs.values()],
      runsElsewhere: this.#runsElsewhere,
      attempts: this.#attempts,
      leaseWrites: this.#leaseWrites.toSorted((a, b) => a.version - b.version),
      watches: closeSuperseded([...this.#watches.values()]),
      actors: this.#actors,
      changes: this.#changes,
    };
  }

  #onActor(event: AuditEvent, receivedAt: number, at: number): void {
    const actor = actorOf(event);
    let known = this.#actors.get(actor);
    if (known === undefined) {
      known = { actor, first: receivedAt, last: at, requests: [] };
      this.#actors.set(actor, known);
    }
    known.last = Math.max(known.last, at);
    // A watch has two lines; its end is no request.
    if (event.stage !== 'ResponseComplete' || event.verb !== 'watch') {
      known.requests.push(receivedAt);
    }
  }

  #onWatch(event: AuditEvent, at: number): void {
    if (!succeeded(event)) return;
    if (event.stage === 'ResponseStarted') {
      this.#watches.set(event.auditID, {
        actor: actorOf(event),
        namespace: event.objectRef?.namespace,
        selector: /[?&](labelSelector|fieldSelector)=/.test(event.requestURI),
        from: at,
      });
      return;
    }
    const watch = this.#watches.get(event.auditID);
    if (watch !== undefined) watch.to = at;
  }

  #onPod(event: AuditEvent, at: number): void {
    if (!succeeded(event)) return;
    const { namespace = '', name = '', subresource } = event.objectRef ?? {};
    if (subresource === 'status' || subresource === 'eviction') {
      this.#podByName.get(`${namespace}/${name}`)?.statusWrites.push(at);
      return;
    }
    if (subresource !== undefined) return;
    // A client may ask for the metadata alone, as the reporter does.
    const pod =
      objectOf<PodObject>(event.responseObject, 'Pod') ??
      objectOf<PodObject>(event.responseObject, 'PartialObjectMetadata');
    if (pod !== undefined) {
      this.#onPodObject(pod, event, at);
      return;
    }
    const list = event.responseObject as { readonly items?: readonly PodObject[] } | undefined;
    for (const item of list?.items ?? []) this.#onPodObject(item, event, at);
    if (event.verb !== 'delete') return;
    const known = this.#podByName.get(`${namespace}/${name}`);
    if (known !== undefined) known.deletedAt ??= at;
  }

  #onPodObject(pod: PodObject, event: AuditEvent, at: number): void {
    const { uid, name = '', namespace = '' } = pod.metadata;
    if (uid === undefined) return;
    let known = this.#pods.get(uid);
    if (known === undefined) {
      // A Pod that was there before the log began is known by its own word.
      const createdAt = event.verb === 'create' ? at : Date.parse(pod.metadata.creationTimestamp ?? '');
      known = { uid, namespace, name, createdAt, reporter: false, versions: [], statusWrites: [] };
      this.#pods.set(uid, known);
    }
    if (known.deletedAt === undefined) this.#podByName.set(`${namespace}/${name}`, known);
    known.reporter ||= carriesReporter(pod);
    known.versions.push({
      at,
      labels: pod.metadata.labels ?? {},
      annotations: pod.metadata.annotations ?? {},
      ending: pod.metadata.deletionTimestamp !== undefined,
    });
    const deletes = event.verb === 'delete' || event.verb === 'deletecollection';
    if (deletes && (pod.metadata.deletionGracePeriodSeconds ?? 0) === 0) known.deletedAt ??= at;
  }

  #onResult(event: AuditEvent, at: number, byController: boolean): void {
    const { namespace = '', name = '' } = event.objectRef ?? {};
    const key = `${namespace}/${name}`;
    const receivedAt = epochMsOf(event.requestReceivedTimestamp);
    if (byController) {
      const code = event.responseStatus?.code ?? 0;
      this.#attempts.push({ key, actor: actorOf(event), receivedAt, at, verb: event.verb, code });
    }
    if (!succeeded(event)) {
      if (byController) this.#givenUp.add(key, event);
      return;
    }
    const deletes = event.verb === 'delete' || event.verb === 'deletecollection';
    const object = resultIn(event);
    if (deletes && object === undefined) {
      const known = this.#resultByKey.get(key);
      if (known !== undefined) known.deletedAt ??= at;
      return;
    }
    const uid = object?.metadata.uid;
    if (object === undefined || uid === undefined) return;
    let known = this.#results.get(uid);
    if (known === undefined) {
      const created = event.verb === 'create' ? { createdAt: at } : {};
      const podUid = object.spec?.podRef?.uid ?? key.split('/dpresult-')[1] ?? '';
      known = { uid, key, podUid, versions: [], ...created };
      this.#results.set(uid, known);
      this.#resultByKey.set(key, known);
    }
    const version = Number(object.metadata.resourceVersion);
    known.versions.push({ receivedAt, at, version, byController, object });
    // A finalizer holds a deleted object until it is taken off.
    const held = (object.metadata.finalizers ?? []).length > 0;
    if ((deletes || object.metadata.deletionTimestamp !== undefined) && !held) known.deletedAt ??= at;
  }

  #onRun(event: AuditEvent, receivedAt: number, at: number, byController: boolean): void {
    if (!succeeded(event)) return;
    if (event.verb === 'delete') {
      const name = event.objectRef?.name;
      for (const run of this.#runs.values()) if (run.name === name) run.deletedAt ??= at;
      return;
    }
    const object = objectOf<RunObject>(event.responseObject, 'DatapathRun');
    const { uid, name = '', resourceVersion } = object?.metadata ?? {};
    if (object === undefined || uid === undefined) return;
    let known = this.#runs.get(uid);
    if (known === undefined) {
      // Server-side apply creates by a patch.
      const created = event.verb === 'create' || event.responseStatus?.code === 201 ? { createdAt: at } : {};
      known = { uid, name, versions: [], ...created };
      this.#runs.set(uid, known);
    }
    const ofStatus = event.objectRef?.subresource === 'status';
    const version = Number(resourceVersion);
    known.versions.push({ receivedAt, at, version, byController: byController && ofStatus, object });
  }

  #onLease(event: AuditEvent, at: number): void {
    const lease = objectOf<LeaseObject>(event.responseObject, 'Lease');
    if (!succeeded(event) || lease === undefined) return;
    this.#leaseWrites.push({
      actor: actorOf(event),
      receivedAt: epochMsOf(event.requestReceivedTimestamp),
      at,
      version: Number(lease.metadata.resourceVersion),
      holder: lease.spec?.holderIdentity ?? '',
      durationMs: (lease.spec?.leaseDurationSeconds ?? 0) * 1000,
      transitions: lease.spec?.leaseTransitions ?? 0,
    });
  }
}

/**
 * An API server that is killed writes no end of its watches: each is over, at the latest, when its controller opens the next of
 * the same scope.
 */
function closeSuperseded(watches: readonly PodWatch[]): readonly PodWatch[] {
  const latest = new Map<string, PodWatch>();
  for (const watch of watches.toSorted((a, b) => a.from - b.from)) {
    const scope = `${watch.actor} ${watch.namespace ?? ''}`;
    const before = latest.get(scope);
    if (before !== undefined) before.to ??= watch.from;
    latest.set(scope, watch);
  }
  return watches;
}

/** The run that a result names, where it is made. */
function runNameIn({ verb, requestObject }: AuditEvent): string | undefined {
  return verb === 'create' ? (requestObject as Partial<ResultObject> | undefined)?.spec?.runName : undefined;
}

/** The result in an answer, or what its request says of it where the client asked for the metadata alone. */
function resultIn(event: AuditEvent): ResultObject | undefined {
  const whole = objectOf<ResultObject>(event.responseObject, 'DatapathResult');
  if (whole !== undefined) return whole;
  const partial = objectOf<ResultObject>(event.responseObject, 'PartialObjectMetadata');
  if (partial === undefined) return undefined;
  const { metadata } = partial;
  const request = event.requestObject;
  // A JSON Patch is of finalizers, which are metadata.
  if (typeof request !== 'object' || request === null || Array.isArray(request)) return { kind: PATCHED, metadata };
  const { spec, status } = request as Partial<ResultObject>;
  const kind = event.verb === 'patch' ? PATCHED : 'DatapathResult';
  return { kind, metadata, ...(spec === undefined ? {} : { spec }), ...(status === undefined ? {} : { status }) };
}

const PATCHED = 'Patched';

/**
 * Puts patches on top of the versions before them, as the API server did.
 *
 * @param creation what the first version stands on, where the log has no creation that succeeded
 */
function completeVersions(versions: ResultVersion[], creation: Partial<ResultObject> | undefined): void {
  for (const [i, version] of versions.entries()) {
    if (version.object.kind !== PATCHED) continue;
    const before = i === 0 ? creation : versions[i - 1]?.object;
    const object = {
      kind: 'DatapathResult',
      metadata: version.object.metadata,
      ...mergePatch({ spec: before?.spec, status: before?.status }, version.object, ['spec', 'status']),
    } as ResultObject;
    versions[i] = { ...version, object };
  }
}
