import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import type { Subscription } from 'rxjs';
import type { EventNote, EventSubject } from '../kube/event-recorder.js';
import { KubeClient } from '../kube/kube-client.js';
import type { ReflectorStatus } from '../kube/reflector-status.js';
import { sleep } from '../kube/clock.js';
import { EngineContext } from './engine-context.js';
import { checkTogether, type OperatorDefinition, readDefinition } from './operator-definition.js';
import { missingRights, missingRightsError } from './access-check.js';
import { OperatorStartError } from './operator-errors.js';
import { OperatorRunner } from './operator-runner.js';
import { electionRights, rightsOf } from './rbac.js';
import { registerWatchMetrics } from './watch-metrics.js';

/** How one operator is. */
export interface OperatorHealth {
  readonly name: string;
  readonly synced: boolean;
  readonly active: boolean;
  readonly depth: number;
  readonly running: number;
}

export interface EngineHealth {
  /** False when this process can't recover by itself: a watch that its own supervisor left stuck, or a failed start. */
  readonly live: boolean;
  /** Whether every cache is filled. */
  readonly synced: boolean;
  readonly leader: boolean;
  /** Why `live` is false. */
  readonly problems: readonly string[];
  readonly operators: readonly OperatorHealth[];
  readonly watches: readonly ReflectorStatus[];
}

/**
 * Runs every `@Operator` among the application's providers.
 *
 * Starts with the application and doesn't hold it up: probes and reads are served while the caches fill. Caches that are not filled within
 * `syncTimeoutMs` are a failed start.
 */
@Injectable()
export class OperatorEngine implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #context: EngineContext;
  readonly #client: KubeClient;
  readonly #discovery: DiscoveryService;
  readonly #runners = new Map<string, OperatorRunner>();
  readonly #stopping = new AbortController();
  #election: Subscription | undefined;
  #leading = false;
  #synced = false;
  #startup: Promise<void> | undefined;
  #stop: Promise<void> | undefined;
  #failure: Error | undefined;
  #endMetrics: (() => void) | undefined;

  constructor(
    @Inject(EngineContext) context: EngineContext,
    @Inject(KubeClient) client: KubeClient,
    @Inject(DiscoveryService) discovery: DiscoveryService,
  ) {
    this.#context = context;
    this.#client = client;
    this.#discovery = discovery;
  }

  onApplicationBootstrap(): void {
    if (this.#context.options.autoStart !== false) this.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.stop();
  }

  /** Whether the caches of all operators are filled. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Whether this replica may write now. True where there is no election. */
  get leader(): boolean {
    return this.#context.elector?.isLeader() ?? true;
  }

  /** Opens the watches and begins the election. Returns at once; see {@link OperatorEngine.ready}. */
  start(): void {
    if (this.#startup !== undefined) return;
    this.#startup = this.#run().catch((error: unknown) => {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    });
  }

  /** Resolves when the caches are filled and rights were checked, rejects when the start failed. */
  async ready(): Promise<void> {
    await this.#startup;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /**
   * Ends in this order: no new runs; watches closed; running runs get `graceMs`, then their signals are aborted; the lease is released.
   */
  stop(options: { readonly graceMs?: number } = {}): Promise<void> {
    this.#stop ??= this.#shutDown(options.graceMs ?? this.#context.options.shutdownGraceMs);
    return this.#stop;
  }

  /**
   * Queues a key, now or after `afterMs`, for a reason outside of Kubernetes.
   *
   * @returns false when this replica doesn't run keys now; the one that does, or will, runs every key when it begins
   * @throws RangeError when there is no operator of this name
   */
  enqueue(operatorName: string, key: string, afterMs = 0): boolean {
    return this.#runner(operatorName).enqueue(key, afterMs);
  }

  /**
   * Says that a run has just written the object of a key and the API server answered with this version: the key isn't run
   * again on a cache that is older, for at most `ownWriteWaitMs`.
   */
  recordWrite(operatorName: string, key: string, resourceVersion: string): void {
    this.#runner(operatorName).recordWrite(key, resourceVersion);
  }

  /**
   * Tells people what happened to an object, through an Event in the operator's name: see {@link EventRecorder}. The operator declares it:
   * `access: [{ resource: EVENTS, verbs: ['create'] }]`.
   *
   * @throws RangeError when there is no operator of this name
   */
  recordEvent(operatorName: string, subject: EventSubject, note: EventNote): void {
    this.#runner(operatorName).events.record(subject, note);
  }

  /**
   * For uninstalling: ends all running and takes the finalizers of `@OnDelete` off every object in the caches, so that nothing is held once
   * no operator is left to clean up. Nothing runs afterwards; stop the process next.
   *
   * @returns how many objects were released
   * @throws KubeApiError when the API server refuses, NotLeaderError when this replica doesn't lead
   */
  async releaseObjects(): Promise<number> {
    const runners = [...this.#runners.values()];
    for (const runner of runners) runner.halt();
    await Promise.all(runners.map((runner) => runner.pool.drain(this.#context.options.shutdownGraceMs)));
    let released = 0;
    for (const runner of runners) released += await runner.releaseObjects();
    return released;
  }

  /** The runners by name, for debug pages and tests. */
  get runners(): ReadonlyMap<string, OperatorRunner> {
    return this.#runners;
  }

  health(): EngineHealth {
    const watches = this.#context.registry.parts.map((part) => part.reflector.status());
    const problems = watches.filter((watch) => watch.stuck).map((watch) => `the watch of ${watch.resource} is stuck`);
    if (this.#failure !== undefined) problems.push(this.#failure.message);
    return {
      live: problems.length === 0,
      synced: this.#synced,
      leader: this.leader,
      problems,
      operators: [...this.#runners.values()].map((runner) => ({
        name: runner.name,
        synced: runner.synced,
        active: runner.active,
        depth: runner.pool.queue.depth,
        running: runner.pool.active,
      })),
      watches,
    };
  }

  async #run(): Promise<void> {
    const context = this.#context;
    const definitions = this.#definitions();
    checkTogether(definitions);
    if (definitions.length === 0) {
      context.logger.warn('No operator was found: list classes with @Operator() among the providers of a module');
    }
    for (const definition of definitions) {
      const runner = new OperatorRunner(definition, context);
      this.#runners.set(runner.name, runner);
      await runner.start();
    }
    const { elector } = context;
    if (elector !== undefined) {
      this.#client.fenceWrites(() => {
        elector.assertLeader();
      });
      this.#election = elector.leading$.subscribe((leading) => {
        this.#lead(leading);
      });
    } else {
      this.#lead(true);
    }
    this.#endMetrics = registerWatchMetrics(context.metricsRegistry, {
      clock: context.clock,
      watches: () => context.registry.parts.map((part) => part.reflector.status()),
      elector,
    });
    await this.#checkRights();
    if (this.#stopping.signal.aborted) return;
    context.registry.start();
    elector?.start();
    await this.#waitForCaches();
  }

  #definitions(): readonly OperatorDefinition[] {
    const found = new Map<object, OperatorDefinition>();
    for (const wrapper of this.#discovery.getProviders()) {
      const instance: unknown = wrapper.instance;
      if (typeof instance !== 'object' || instance === null || found.has(instance)) continue;
      const definition = readDefinition(instance);
      if (definition === undefined) continue;
      if (wrapper.isTransient || !wrapper.isDependencyTreeStatic()) {
        throw new OperatorStartError(
          `operator "${definition.options.name}" must be a singleton, and depend on none that isn't: nobody asks for another instance`,
        );
      }
      found.set(instance, definition);
    }
    return [...found.values()];
  }

  /** Says at once and in one place which rights are missing. While the API server can't be asked it is asked again. */
  async #checkRights(): Promise<void> {
    const { client, clock, logger, options } = this.#context;
    if (options.checkRights === false) return;
    const { signal } = this.#stopping;
    const deadline = clock.monotonicMs() + options.syncTimeoutMs;
    const wanted = new Map([...this.#runners.values()].map((runner) => [runner.name, rightsOf(runner.definition)]));
    if (options.leaderElection !== undefined) wanted.set('leader election', electionRights(options.leaderElection));
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        const missing = await missingRights(client, [...wanted.values()].flat(), signal);
        if (missing.length === 0) return;
        const found = [...wanted]
          .map(([name, rights]) => [name, rights.filter((right) => missing.includes(right))] as const)
          .filter(([, rights]) => rights.length > 0);
        throw missingRightsError(new Map(found));
      } catch (error) {
        if (error instanceof OperatorStartError || signal.aborted) throw error;
        const text = error instanceof Error ? error.message : String(error);
        if (clock.monotonicMs() >= deadline) {
          throw new OperatorStartError(
            `the API server could not be asked within ${options.syncTimeoutMs} ms: ${text}`,
            {
              cause: error,
            },
          );
        }
        logger.warn('Rights can not be checked yet', { error: text });
        await sleep(clock, Math.min(10_000, 500 * 2 ** failures), signal);
      }
    }
  }

  async #waitForCaches(): Promise<void> {
    const { clock, options } = this.#context;
    const deadline = clock.monotonicMs() + options.syncTimeoutMs;
    while (!this.#stopping.signal.aborted) {
      const missing = new Set([...this.#runners.values()].flatMap((runner) => runner.unsynced()));
      if (missing.size === 0) {
        this.#synced = true;
        this.#context.logger.log('Caches are filled', { operators: [...this.#runners.keys()] });
        this.#activate();
        return;
      }
      if (clock.monotonicMs() >= deadline) {
        throw new OperatorStartError(
          `the caches of ${[...missing].join(', ')} were not filled within ${options.syncTimeoutMs} ms; see the warnings of these watches`,
        );
      }
      await sleep(clock, 20, this.#stopping.signal);
    }
  }

  #lead(leading: boolean): void {
    if (this.#leading === leading) return;
    this.#leading = leading;
    this.#context.metrics.leading(this.#context.options.leaderElection?.name ?? 'none', leading);
    if (leading) {
      this.#activate();
    } else {
      for (const runner of this.#runners.values()) runner.deactivate('the lease was lost');
    }
  }

  #activate(): void {
    if (!this.#synced || !this.#leading || this.#stopping.signal.aborted) return;
    for (const runner of this.#runners.values()) runner.activate();
  }

  #fail(error: Error): void {
    if (this.#stopping.signal.aborted) return;
    this.#failure = error;
    this.#context.logger.error('Operators can not start', { error: error.message });
    this.#context.options.onFatal?.(error);
  }

  async #shutDown(graceMs: number): Promise<void> {
    this.#stopping.abort();
    for (const runner of this.#runners.values()) runner.halt();
    await this.#context.registry.stop();
    const pools = [...this.#runners.values()].map((runner) => runner.pool);
    const left = await Promise.all(pools.map((pool) => pool.drain(graceMs)));
    if (left.some((count) => count > 0)) {
      for (const runner of this.#runners.values()) runner.abortRuns('the process stops');
      this.#context.logger.warn('Runs did not end in time', {
        graceMs,
        runs: left.reduce((sum, count) => sum + count, 0),
        keys: pools.flatMap((pool) => pool.activeKeys).slice(0, 10),
      });
      await Promise.all(pools.map((pool) => pool.drain(this.#context.options.abortGraceMs)));
    }
    // Written under the lease, so before it is given back.
    const { abortGraceMs } = this.#context.options;
    await Promise.all([...this.#runners.values()].map((runner) => runner.events.flush(abortGraceMs)));
    this.#election?.unsubscribe();
    await this.#context.elector?.stop();
    this.#leading = false;
    await this.#startup;
    this.#endMetrics?.();
    this.#context.digest.close();
  }

  #runner(name: string): OperatorRunner {
    const runner = this.#runners.get(name);
    if (runner === undefined) {
      throw new RangeError(`no operator is named "${name}"; there are: ${[...this.#runners.keys()].join(', ')}`);
    }
    return runner;
  }
}
