import type { Registry } from 'prom-client';
import type { Clock, Random } from '../kube/clock.js';
import type { EventLoopBudget } from '../kube/event-loop-budget.js';
import type { KubeClient } from '../kube/kube-client.js';
import type { LogDigest } from '../kube/log-digest.js';
import type { StructuredLogger } from '../kube/logger.js';
import type { OperatorMetrics } from './operator-metrics.js';
import type { ElectorPort, ReflectorFactory } from './ports.js';
import type { WatchRegistry } from './watch-registry.js';

/** Where and as whom to be elected. */
export interface LeaderElectionOptions {
  /** The namespace of the Lease. */
  readonly namespace: string;
  /** The name of the Lease. */
  readonly name: string;
  /** Names this replica; unique, such as the Pod's name with its uid. */
  readonly identity: string;
}

/** The settings of the engine. Durations in milliseconds. */
export interface EngineOptions {
  /** Without it this process is always the leader: right for one replica only. */
  readonly leaderElection?: LeaderElectionOptions | undefined;
  /** How long the caches may take to fill. Default 120,000, then the start has failed. */
  readonly syncTimeoutMs: number;
  /** How long running runs get when the process stops. Default 25,000: below the 30 s that a Pod gets. */
  readonly shutdownGraceMs: number;
  /** How long runs get after their signal was aborted. Default 1,000. */
  readonly abortGraceMs: number;
  /** Whether the start asks the API server for each right that the operators need. Default true. */
  readonly checkRights?: boolean | undefined;
  /** Whether the engine starts with the application. Default true. */
  readonly autoStart?: boolean | undefined;
  /** Called when the start failed. Default: nothing beyond the log and `health().live`, by which the kubelet restarts the process. */
  readonly onFatal?: ((error: Error) => void) | undefined;
}

export const DEFAULT_ENGINE_OPTIONS: EngineOptions = {
  syncTimeoutMs: 120_000,
  shutdownGraceMs: 25_000,
  abortGraceMs: 1_000,
};

/** What the parts of one engine share. */
export class EngineContext {
  readonly client: KubeClient;
  readonly reflectors: ReflectorFactory;
  readonly registry: WatchRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly budget: EventLoopBudget;
  readonly logger: StructuredLogger;
  /** For what may fail for many objects at once. */
  readonly digest: LogDigest;
  readonly metrics: OperatorMetrics;
  readonly metricsRegistry: Registry;
  readonly elector: ElectorPort | undefined;
  /** Names this replica in Events. */
  readonly instance: string;
  readonly options: EngineOptions;

  constructor(parts: EngineContext) {
    this.client = parts.client;
    this.reflectors = parts.reflectors;
    this.registry = parts.registry;
    this.clock = parts.clock;
    this.random = parts.random;
    this.budget = parts.budget;
    this.logger = parts.logger;
    this.digest = parts.digest;
    this.metrics = parts.metrics;
    this.metricsRegistry = parts.metricsRegistry;
    this.elector = parts.elector;
    this.instance = parts.instance;
    this.options = parts.options;
  }
}
