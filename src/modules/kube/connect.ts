import { type Clock, systemClock } from './clock.js';
import { KubeconfigCredentials } from './credentials.js';
import { KubeClient } from './kube-client.js';
import type { KubeMetrics } from './kube-metrics.js';

export interface ConnectOptions {
  /** A kubeconfig file. Without one: `KUBECONFIG`, `~/.kube/config`, the Pod's service account, in this order. */
  readonly kubeconfig?: string | undefined;
  readonly clock?: Clock | undefined;
  readonly metrics?: KubeMetrics | undefined;
  /** The name under which this program writes. */
  readonly fieldManager?: string | undefined;
  readonly userAgent?: string | undefined;
  /** Milliseconds that one request may take. Default 30 s. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Makes a client for the API server that a kubeconfig or the Pod's surroundings name. Opens no connection yet.
 *
 * @throws Error when no usable configuration is found
 */
export function connect(options: ConnectOptions = {}): KubeClient {
  const { kubeconfig, clock = systemClock, ...rest } = options;
  return new KubeClient({ ...rest, clock, credentials: new KubeconfigCredentials({ kubeconfig, clock }) });
}
