/** The API over an index that a test fills, without Kubernetes: what is asked is HTTP, what is answered is HTTP. */
import { Global, Module } from '@nestjs/common';
import type { ModuleMetadata } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import type { PodObservation } from '../../src/datapath/pod-observation.js';
import { fromEpochMs } from '../../src/datapath/instant.js';
import type { ResultState } from '../../src/datapath/result-state.js';
import { API_ADAPTER_OPTIONS, ApiModule, configureApi, ReadModel } from '../../src/modules/api/index.js';
import { KubeClient } from '../../src/modules/kube/kube-client.js';
import { SETTINGS } from '../../src/settings/settings.js';
import type { ApiAuth } from '../../src/modules/api/api-auth.js';
import type { Workload } from '../../src/modules/api/index.js';
import { API_CLOCK } from '../../src/modules/api/api-clock.js';
import { systemClock } from '../../src/modules/kube/clock.js';
import type { Store } from '../../src/modules/kube/resource.js';
import { ResultIndex } from '../../src/modules/results/result-index.js';

/** 2026-01-31T12:00:00Z: the time of every test application. */
export const TEST_NOW_MS = Date.UTC(2026, 0, 31, 12);

/** A store of Pods that a test fills. */
export class PodList implements Store<PodObservation> {
  readonly #pods = new Map<string, PodObservation>();
  synced = true;

  get size(): number {
    return this.#pods.size;
  }

  add(pod: PodObservation): void {
    this.#pods.set(`${pod.namespace}/${pod.name}`, pod);
  }

  get(key: string): PodObservation | undefined {
    return this.#pods.get(key);
  }

  getByUid(uid: string): PodObservation | undefined {
    return [...this.#pods.values()].find((pod) => pod.uid === uid);
  }

  values(): IterableIterator<PodObservation> {
    return this.#pods.values();
  }
}

export class FilledReadModel extends ReadModel {
  synced = true;
  readonly index = new ResultIndex();
  readonly pods = new PodList();
  owners: Workload[] | undefined = [];

  workloads(): Workload[] | undefined {
    return this.owners;
  }
}

@Global()
@Module({
  providers: [
    { provide: ReadModel, useClass: FilledReadModel },
    { provide: SETTINGS, useValue: { apiAuth: 'none' } },
    { provide: KubeClient, useValue: undefined },
  ],
  exports: [ReadModel, SETTINGS, KubeClient],
})
class FilledModelModule {}

export interface ApiApp {
  readonly app: NestFastifyApplication;
  readonly model: FilledReadModel;
  get(path: string, headers?: Record<string, string>): Promise<ApiAnswer>;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | number | undefined>;
  readonly text: string;
  json<T>(): T;
}

export interface ApiOptions {
  /** Who may ask; everybody unless said otherwise. */
  readonly auth: ApiAuth;
  /** Where is asked who may. */
  readonly client: KubeClient;
  /** Modules besides the API. */
  readonly imports: NonNullable<ModuleMetadata['imports']>;
}

export async function startApi({ auth, client, imports = [] }: Partial<ApiOptions> = {}): Promise<ApiApp> {
  const module = await Test.createTestingModule({ imports: [FilledModelModule, ApiModule, ...imports] })
    .overrideProvider(API_CLOCK)
    .useValue({ ...systemClock, epochMs: () => TEST_NOW_MS, epochNs: () => fromEpochMs(TEST_NOW_MS) })
    .overrideProvider(SETTINGS)
    .useValue({ apiAuth: auth ?? 'none' })
    .overrideProvider(KubeClient)
    .useValue(client)
    .compile();
  const app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(API_ADAPTER_OPTIONS), {
    logger: false,
  });
  configureApi(app);
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  const model = app.get<ReadModel, FilledReadModel>(ReadModel);
  const get = async (path: string, headers: Record<string, string> = {}): Promise<ApiAnswer> => {
    const response = await app.inject({ method: 'GET', url: path, headers });
    return {
      status: response.statusCode,
      headers: response.headers,
      text: response.payload,
      json: <T>() => JSON.parse(response.payload) as T,
    };
  };
  return { app, model, get };
}

/** A result of the Pod `name`, created at the time of the test unless said otherwise. */
export function result(name: string, over: Partial<ResultState> = {}): ResultState {
  const createdAt = over.createdAt ?? fromEpochMs(TEST_NOW_MS);
  return {
    namespace: 'perf',
    name,
    uid: `uid-${name}`,
    createdAt,
    creationSource: 'WatchReceipt',
    runName: 'run-1',
    labels: { app: 'web' },
    outcome: 'Pending',
    milestones: [{ name: 'created', at: createdAt, source: 'WatchReceipt', resolutionMs: 0 }],
    uncertaintyMs: 0,
    restarts: 0,
    ...over,
  };
}

/** A result that started and became ready this many milliseconds after its creation. */
export function readyResult(
  name: string,
  startMs: number,
  readyMs: number,
  over: Partial<ResultState> = {},
): ResultState {
  const createdAt = over.createdAt ?? fromEpochMs(TEST_NOW_MS);
  return result(name, {
    outcome: 'Ready',
    startedAt: createdAt + BigInt(startMs) * 1_000_000n,
    datapathReadyAt: createdAt + BigInt(readyMs) * 1_000_000n,
    datapathDelayMs: readyMs - startMs,
    ...over,
  });
}
