import { Injectable, Logger } from '@nestjs/common';
import { RUN_LABEL } from '../../datapath/annotations.js';
import type { PodObservation } from '../../datapath/pod-observation.js';
import { isAlreadyExists } from '../kube/kube-api-error.js';
import { KubeClient } from '../kube/kube-client.js';
import type { KubeObject, Store } from '../kube/resource.js';
import { InjectStore } from '../operator/index.js';
import { NAMESPACES } from '../pods/namespace.resource.js';
import type { NamespaceView } from '../pods/namespace.resource.js';
import { DATAPATH_RUNS } from './datapath-run.resource.js';
import { selectsPod } from './run-selector.js';
import type { RunView } from './run-view.js';

const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const NO_LABELS: Readonly<Record<string, string>> = {};
/** Names that are complained of once. */
const MAX_COMPLAINTS = 100;

/** Whether a text can name a run: that of an object, and short enough for a label. */
export function isRunName(text: string): boolean {
  return text.length <= 63 && SUBDOMAIN.test(text);
}

/**
 * Which run a Pod belongs to. In this order: the label `datapath.observer/run` of the Pod, that label of its namespace, the first
 * DatapathRun whose selectors match (the one made first, then by name), the run with the name of the namespace.
 *
 * A label that can't name a run (it isn't lower-case letters, digits, "-" and ".") counts as none, and is complained of in the log.
 */
@Injectable()
export class RunMembership {
  readonly #logger = new Logger(RunMembership.name);
  readonly #complaints = new Set<string>();
  readonly #creating = new Map<string, Promise<void>>();
  #selecting: readonly RunView[] | undefined;

  constructor(
    private readonly client: KubeClient,
    @InjectStore(DATAPATH_RUNS) private readonly runs: Store<RunView>,
    @InjectStore(NAMESPACES) private readonly namespaces: Store<NamespaceView>,
  ) {}

  /** The run of a Pod, by the caches of now. */
  runOf(pod: Pick<PodObservation, 'namespace' | 'labels'>): string {
    const namespace = this.namespaces.get(pod.namespace);
    return (
      this.#usable(pod.labels[RUN_LABEL]) ??
      this.#usable(namespace?.runName) ??
      this.#selected(pod, namespace) ??
      pod.namespace
    );
  }

  /** Some DatapathRun came, changed or went. */
  runsChanged(): void {
    this.#selecting = undefined;
  }

  /** Whether the run's selectors, were it the only one, would take the Pod. */
  wouldSelect(run: RunView, pod: Pick<PodObservation, 'namespace' | 'labels'>): boolean {
    const labels = this.namespaces.get(pod.namespace)?.labels ?? NO_LABELS;
    return run.selector !== undefined && selectsPod(run.selector, pod.labels, labels);
  }

  /**
   * Makes the DatapathRun of a name where there is none: a result is created only after its run, so that a result without one is known
   * to have lost it.
   *
   * @throws KubeApiError
   */
  async ensure(name: string, signal: AbortSignal): Promise<void> {
    if (this.runs.get(name) !== undefined) return;
    let creation = this.#creating.get(name);
    if (creation === undefined) {
      creation = this.#create(name, signal).finally(() => this.#creating.delete(name));
      this.#creating.set(name, creation);
    }
    await creation;
  }

  async #create(name: string, signal: AbortSignal): Promise<void> {
    const run = {
      apiVersion: `${DATAPATH_RUNS.group}/${DATAPATH_RUNS.version}`,
      kind: DATAPATH_RUNS.kind,
      metadata: { name, labels: { 'app.kubernetes.io/managed-by': 'datapath-controller' } },
      spec: {},
    };
    try {
      await this.client.create(DATAPATH_RUNS, run as KubeObject, { signal });
      this.#logger.log('made a run on first sight of a Pod of it', { run: name });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }

  #usable(name: string | undefined): string | undefined {
    // A label may be empty, a run's name may not.
    if (name === undefined || name === '') return undefined;
    if (isRunName(name)) return name;
    if (!this.#complaints.has(name) && this.#complaints.size < MAX_COMPLAINTS) {
      this.#complaints.add(name);
      this.#logger.warn('a label names no run: it must be lower-case letters, digits, "-" and "."', {
        label: RUN_LABEL,
        value: name,
      });
    }
    return undefined;
  }

  #selected(
    pod: Pick<PodObservation, 'namespace' | 'labels'>,
    namespace: NamespaceView | undefined,
  ): string | undefined {
    this.#selecting ??= [...this.runs.values()]
      .filter((run) => run.selector !== undefined && !run.deleting)
      .toSorted((a, b) => a.createdMs - b.createdMs || (a.name < b.name ? -1 : 1));
    const labels = namespace?.labels ?? NO_LABELS;
    return this.#selecting.find((run) => run.selector !== undefined && selectsPod(run.selector, pod.labels, labels))
      ?.name;
  }
}
