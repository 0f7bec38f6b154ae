import type { Clock, Random } from './clock.js';
import type { EventLoopBudget } from './event-loop-budget.js';
import type { KubeClient } from './kube-client.js';
import type { KubeMetrics } from './kube-metrics.js';
import type { StructuredLogger } from './logger.js';
import type { ReflectorSettings } from './reflector-settings.js';
import type { KubeObject, Projected, ResourceType } from './resource.js';

export interface ReflectorOptions<T extends Projected> {
  readonly client: KubeClient;
  readonly type: ResourceType;
  /**
   * Makes what is kept of an object. Called once for each state that arrives; must not keep the raw object. The raw object comes
   * without the content of `metadata.managedFields`.
   */
  readonly project: (raw: KubeObject) => T;
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly logger?: StructuredLogger | undefined;
  readonly metrics?: KubeMetrics | undefined;
  /** Shared by all reflectors of a process, so that together they leave the event loop free. */
  readonly budget?: EventLoopBudget | undefined;
  readonly settings?: Partial<ReflectorSettings> | undefined;
}
