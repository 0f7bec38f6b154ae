/** Where the processes of a control plane run, and by which ports they are reached from inside and outside. */
import { freePorts } from './ports.js';

/** One port of a component: as the component and its neighbours see it, and as this machine's loopback has it. */
export interface Port {
  readonly inside: number;
  readonly outside: number;
}

export interface Placement {
  /** Stands before each command: nothing on the machine itself, `nsenter` for a node of its own. */
  readonly commandPrefix: readonly string[];
  /** The address on which the API server listens. */
  readonly bindAddress: string;
  /** The address by which Pods reach the API server; undefined where nothing but the loopback does. */
  readonly advertiseAddress?: string;
  /** The names and addresses in the API server's certificate. */
  readonly hosts: readonly string[];
  /** The ports of a component, in the order that it names them. Asked again when they were taken meanwhile. */
  ports(component: string, count: number): Promise<readonly Port[]>;
}

export const apiServerHosts = [
  'localhost',
  '127.0.0.1',
  '::1',
  '10.0.0.1',
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
] as const;

/** On the machine itself, on free ports of the loopback. */
export const onLoopback: Placement = {
  commandPrefix: [],
  bindAddress: '127.0.0.1',
  hosts: apiServerHosts,
  ports: async (_component, count) => (await freePorts(count)).map((port) => ({ inside: port, outside: port })),
};
