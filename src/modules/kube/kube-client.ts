import type { IncomingMessage } from 'node:http';
import type { Clock } from './clock.js';
import { ConnectionPool } from './connection-pool.js';
import type { Credential, CredentialSource } from './credentials.js';
import { STALE_CONNECTION } from './direct-connection.js';
import { type Exchange, openStream } from './http-exchange.js';
import { errorFromResponse, isAborted, isTransport, KubeApiError } from './kube-api-error.js';
import { type KubeMetrics, noMetrics } from './kube-metrics.js';
import { apiVersionOf, collectionPath, objectPath, type Query, type Scope, withQuery } from './resource-path.js';
import type { Answer } from './response-reader.js';
import type { KubeObject, ObjectKey, ResourceType } from './resource.js';

export interface KubeClientOptions {
  readonly credentials: CredentialSource;
  readonly clock: Clock;
  readonly metrics?: KubeMetrics | undefined;
  /** Who writes, in managedFields and in the audit log. */
  readonly fieldManager?: string | undefined;
  readonly userAgent?: string | undefined;
  /** Milliseconds that one request may take, unless it says otherwise. Default 30 s. */
  readonly timeoutMs?: number | undefined;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the whole answer must be there. */
  readonly timeoutMs?: number | undefined;
}

export interface WriteOptions extends CallOptions {
  readonly fieldManager?: string | undefined;
  /** Answer with the object's metadata alone: cheaper for both sides where only its version is wanted. */
  readonly metadataOnly?: boolean | undefined;
}

export interface PatchOptions extends WriteOptions {
  /** JSON merge patch (RFC 7386), JSON Patch (RFC 6902) or server-side apply. */
  readonly kind: 'merge' | 'json' | 'apply';
  readonly subresource?: 'status' | undefined;
  /** Server-side apply only: take over fields that another manager owns. */
  readonly force?: boolean | undefined;
}

export interface DeletePreconditions {
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan' | undefined;
  /** Seconds that a Pod gets to end; 0 removes it at once. */
  readonly gracePeriodSeconds?: number | undefined;
}

export interface ListOptions extends Scope, CallOptions {
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
  readonly resourceVersion?: string | undefined;
  /** Only the metadata of each object: cheaper for both sides. */
  readonly metadataOnly?: boolean | undefined;
}

export interface KubeList<T> {
  readonly metadata: {
    readonly resourceVersion: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
  readonly items: T[];
}

export interface WatchOptions extends Scope {
  /** The version after which changes are wanted. Left out together with `sendInitialEvents`. */
  readonly resourceVersion?: string | undefined;
  /** Seconds after which the server ends the watch. */
  readonly timeoutSeconds: number;
  /** Asks for the whole state first, as a stream of `ADDED` events that ends with a marked bookmark (KEP-3157). */
  readonly sendInitialEvents?: boolean | undefined;
  readonly signal: AbortSignal;
}

export interface RequestOptions extends CallOptions {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Query | undefined;
  readonly body?: unknown;
  readonly contentType?: string | undefined;
  readonly accept?: string | undefined;
  /** Whether the call is a write that only the leader may make. Default false: reviews (TokenReview, …) are for every replica. */
  readonly fenced?: boolean | undefined;
}

interface CallExtra {
  readonly body?: string;
  readonly contentType?: string;
  readonly accept?: string;
  readonly fenced?: boolean;
}

const PATCH_TYPES = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

const JSON_TYPE = 'application/json';
const METADATA = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json';
const METADATA_LIST = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json';

/** Milliseconds for the headers of a watch. A request may wait in the server's flow control for up to 15 s. */
const WATCH_HEADERS_MS = 30_000;

/**
 * A client of one API server, for any kind.
 *
 * Guarantees: one pool of kept-alive connections per credential, so that sequential calls make one TLS handshake; the
 * bearer token is put on each request anew, since it rotates; a call that is refused with 401 is made once more when reading the
 * credential again found another one. Every failure is a {@link KubeApiError}, and only a fenced write may throw
 * `NotLeaderError` instead.
 *
 * Caveats: no call is repeated otherwise, except a read that met a connection which the server was just closing. There is no
 * rate limit of its own: the server's flow control is the limit, and callers bound their concurrency.
 */
export class KubeClient {
  readonly #credentials: CredentialSource;
  readonly #clock: Clock;
  readonly #metrics: KubeMetrics;
  readonly #fieldManager: string | undefined;
  readonly #userAgent: string;
  readonly #timeoutMs: number;
  #pool: ConnectionPool | undefined;
  #fence: () => void = () => undefined;
  readonly #checkFence = (): void => {
    this.#fence();
  };

  constructor(options: KubeClientOptions) {
    this.#credentials = options.credentials;
    this.#clock = options.clock;
    this.#metrics = options.metrics ?? noMetrics;
    this.#fieldManager = options.fieldManager;
    this.#userAgent = options.userAgent ?? options.fieldManager ?? 'pod-datapath-readiness';
    this.#timeoutMs = options.timeoutMs ?? 30_000;
  }

  /** The namespace of the credential's context: where this process runs, when it runs in a cluster. */
  get namespace(): string {
    return this.#credentials.namespace;
  }

  /**
   * From now on `check` is called before each create, patch and delete, in the moment in which the request is written to an
   * open connection, however long it waited for one. It throws `NotLeaderError` to refuse the write.
   */
  fenceWrites(check: () => void): void {
    this.#fence = check;
  }

  /** Ends every connection. What is under way fails as if its caller had ended it. */
  close(): void {
    this.#pool?.close();
    this.#pool = undefined;
  }

  async get<T extends KubeObject>(type: ResourceType, key: ObjectKey, options: CallOptions = {}): Promise<T> {
    return this.#call<T>('GET', objectPath(type, key), options);
  }

  /** One page (or all, without `limit`) of a collection. The server leaves kind and apiVersion out of items; they are put back. */
  async list<T extends KubeObject>(type: ResourceType, options: ListOptions = {}): Promise<KubeList<T>> {
    const extra = options.metadataOnly === true ? { accept: METADATA_LIST } : {};
    const target = listTarget(type, options);
    const answer = await this.#call<{ metadata?: KubeList<T>['metadata']; items?: T[] | null }>(
      'GET',
      target,
      options,
      extra,
    );
    const items = answer.items ?? [];
    const stamp = { apiVersion: apiVersionOf(type), kind: type.kind };
    for (const item of items) Object.assign(item, stamp);
    return { metadata: answer.metadata ?? { resourceVersion: '' }, items };
  }

  /**
   * One page as its bytes, for a reader that takes item by item: parsing 500 Pods in one go blocks the event loop for tens of
   * milliseconds.
   *
   * @throws KubeApiError when the server refuses
   */
  async listStream(
    type: ResourceType,
    options: ListOptions & { readonly signal: AbortSignal },
  ): Promise<IncomingMessage> {
    return this.#stream(this.#spec('GET', listTarget(type, options), options, {}));
  }

  async create<T extends KubeObject>(type: ResourceType, object: T, options: WriteOptions = {}): Promise<T> {
    const query = { fieldManager: options.fieldManager ?? this.#fieldManager };
    const path = withQuery(collectionPath(type, object.metadata.namespace), query);
    const body = JSON.stringify(object);
    return this.#call<T>('POST', path, options, { body, accept: acceptOf(options), fenced: true });
  }

  /** @returns the API's answer: a Status, or the object while finalizers keep it */
  async delete(
    type: ResourceType,
    key: ObjectKey,
    conditions: DeletePreconditions = {},
    options: CallOptions = {},
  ): Promise<void> {
    const { uid, resourceVersion, propagationPolicy, gracePeriodSeconds } = conditions;
    const body = {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
      ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
      ...(uid === undefined && resourceVersion === undefined ? {} : { preconditions: { uid, resourceVersion } }),
    };
    await this.#call('DELETE', objectPath(type, key), options, { body: JSON.stringify(body), fenced: true });
  }

  async patch<T extends KubeObject>(
    type: ResourceType,
    key: ObjectKey,
    body: unknown,
    options: PatchOptions,
  ): Promise<T> {
    const path = withQuery(objectPath(type, key, options.subresource), {
      fieldManager: options.fieldManager ?? this.#fieldManager,
      force: options.kind === 'apply' ? options.force : undefined,
    });
    const contentType = PATCH_TYPES[options.kind];
    const accept = acceptOf(options);
    return this.#call<T>('PATCH', path, options, { body: JSON.stringify(body), contentType, accept, fenced: true });
  }

  /** Any other call. The answer's JSON, or its text where it isn't JSON. */
  async request<T>(options: RequestOptions): Promise<T> {
    return this.#call<T>(options.method, withQuery(options.path, options.query), options, {
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      ...(options.contentType === undefined ? {} : { contentType: options.contentType }),
      ...(options.accept === undefined ? {} : { accept: options.accept }),
      fenced: options.fenced ?? false,
    });
  }

  /**
   * Opens a watch and gives its bytes: one JSON object a line. The caller reads them; see `JsonStream`.
   *
   * @throws KubeApiError when the server refuses the watch
   */
  async watch(type: ResourceType, options: WatchOptions): Promise<IncomingMessage> {
    const target = withQuery(collectionPath(type, options.namespace), {
      watch: true,
      allowWatchBookmarks: true,
      labelSelector: options.labelSelector,
      fieldSelector: options.fieldSelector,
      resourceVersion: options.resourceVersion,
      timeoutSeconds: options.timeoutSeconds,
      ...(options.sendInitialEvents === true ? { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' } : {}),
    });
    const spec = this.#spec('GET', target, { signal: options.signal, timeoutMs: WATCH_HEADERS_MS }, {});
    return this.#stream({ ...spec, endless: true });
  }

  #stream(spec: Exchange): Promise<IncomingMessage> {
    return this.#authorized(async (credential, pool) => {
      const startedAt = this.#clock.monotonicMs();
      const response = await this.#counted('GET', credential, startedAt, () =>
        openStream(spec, credential, pool.agent, this.#clock),
      );
      const code = response.statusCode ?? 0;
      this.#count('GET', credential, String(code), startedAt);
      if (code === 200) return response;
      throw errorFromResponse(code, await readText(response), response.headers['retry-after']);
    });
  }

  async #call<T>(method: string, target: string, options: CallOptions, extra: CallExtra = {}): Promise<T> {
    const spec = this.#spec(method, target, options, extra);
    return this.#authorized(async (credential, pool) => {
      const answer = await this.#exchange(spec, credential, pool);
      if (answer.code < 200 || answer.code > 299) throw errorFromResponse(answer.code, answer.text, answer.retryAfter);
      return parseBody<T>(answer.text);
    });
  }

  async #exchange(spec: Exchange, credential: Credential, pool: ConnectionPool): Promise<Answer> {
    const startedAt = this.#clock.monotonicMs();
    const send = (): Promise<Answer> =>
      this.#counted(spec.method, credential, startedAt, () => pool.exchange(spec, credential));
    let answer: Answer;
    try {
      answer = await send();
    } catch (error) {
      // The server closed the idle connection in the same moment; a read can be sent again without harm.
      if (spec.method !== 'GET' || !isStale(error)) throw error;
      answer = await send();
    }
    this.#count(spec.method, credential, String(answer.code), startedAt);
    return answer;
  }

  /** Runs a call with the credential of now and, when it is refused as unknown (401), once more if there is a newer one. */
  async #authorized<R>(call: (credential: Credential, pool: ConnectionPool) => Promise<R>): Promise<R> {
    try {
      const credential = await this.#credential();
      return await call(credential, this.#poolOf(credential));
    } catch (error) {
      if (isTransport(error) && !isAborted(error)) this.#credentials.suspect();
      if (!isCredentialRefused(error)) throw error;
      const changed = await this.#refresh(error);
      if (!changed) throw error;
    }
    const credential = await this.#credential();
    return call(credential, this.#poolOf(credential));
  }

  async #credential(): Promise<Credential> {
    try {
      return await this.#credentials.current();
    } catch (error) {
      throw credentialError(error);
    }
  }

  async #refresh(refusal: unknown): Promise<boolean> {
    try {
      return await this.#credentials.refresh();
    } catch (error) {
      throw new KubeApiError({ ...describe(error), cause: refusal });
    }
  }

  #poolOf(credential: Credential): ConnectionPool {
    const pool = this.#pool;
    if (pool?.fingerprint === credential.fingerprint) return pool;
    // Requests and watches on the old pool end in their own time; only its idle connections are dropped.
    pool?.retire();
    this.#pool = new ConnectionPool(credential, this.#clock, this.#metrics);
    return this.#pool;
  }

  #spec(method: string, target: string, options: CallOptions, extra: CallExtra): Exchange {
    return {
      method,
      target,
      body: extra.body,
      contentType: extra.contentType ?? JSON_TYPE,
      accept: extra.accept ?? JSON_TYPE,
      userAgent: this.#userAgent,
      signal: options.signal,
      timeoutMs: options.timeoutMs ?? this.#timeoutMs,
      beforeSend: extra.fenced === true ? this.#checkFence : undefined,
    };
  }

  async #counted<R>(method: string, credential: Credential, startedAt: number, run: () => Promise<R>): Promise<R> {
    try {
      return await run();
    } catch (error) {
      if (!isAborted(error)) this.#count(method, credential, '<error>', startedAt);
      throw error;
    }
  }

  #count(method: string, credential: Credential, code: string, startedAt: number): void {
    this.#metrics.requestCompleted(method, credential.server.host, code, this.#clock.monotonicMs() - startedAt);
  }
}

function acceptOf(options: WriteOptions): string {
  return options.metadataOnly === true ? METADATA : JSON_TYPE;
}

function listTarget(type: ResourceType, options: ListOptions): string {
  return withQuery(collectionPath(type, options.namespace), {
    labelSelector: options.labelSelector,
    fieldSelector: options.fieldSelector,
    limit: options.limit,
    continue: options.continue,
    resourceVersion: options.resourceVersion,
  });
}

function parseBody<T>(text: string): T {
  if (text === '') return undefined as T;
  if (!text.startsWith('{') && !text.startsWith('[')) return text as T;
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new KubeApiError({ code: 0, reason: 'MalformedBody', message: 'the answer is not valid JSON', cause });
  }
}

/** The body of a refused watch: a Status. */
async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer);
  } catch {
    // The status code alone says what happened; a cut body only costs its message.
  }
  return Buffer.concat(chunks).toString('utf8');
}

function isStale(error: unknown): boolean {
  return error instanceof KubeApiError && error.reason === STALE_CONNECTION;
}

/** 401, or a TLS handshake that failed: the authority or the client certificate may have changed on disk. */
function isCredentialRefused(error: unknown): boolean {
  return error instanceof KubeApiError && (error.code === 401 || (error.code === 0 && error.reason === 'Tls'));
}

function describe(error: unknown): { code: number; reason: string; message: string } {
  const text = error instanceof Error ? error.message : String(error);
  return { code: 0, reason: 'Credentials', message: `the credentials can't be read: ${text}` };
}

function credentialError(error: unknown): KubeApiError {
  return new KubeApiError({ ...describe(error), cause: error });
}
