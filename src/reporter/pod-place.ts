/**
 * Whether the reporter's process may end. Seen on a kubelet 1.37: a reporter that exits in an ordinary container or a native sidecar
 * makes its Pod NotReady and is restarted into back-off; in a plain init container, or where nothing restarts it, it may. Pure.
 */
import { REPORTER_CONTAINER } from '../datapath/annotations.js';
import { isRecord } from './json.js';
import type { AfterReport } from './settings.js';

export type Place = 'mayExit' | 'mustIdle' | 'unknown';

/**
 * The reporter's place in its Pod, from the Pod object that a patch returns.
 *
 * The container is the one named `datapath-reporter`, else the one that sets `PROBE_TARGET`. Where several would fit and
 * differ, a Pod that isn't initialized yet is running the init container.
 */
export function placeOf(pod: unknown): Place {
  const spec = isRecord(pod) ? pod['spec'] : undefined;
  if (!isRecord(spec)) return 'unknown';
  const init = listOf(spec['initContainers']);
  const ordinary = listOf(spec['containers']);
  const isOurs = [...init, ...ordinary].some(isNamedReporter) ? isNamedReporter : setsTarget;
  const sidecarOrInit: Place[] = init
    .filter(isOurs)
    .map((each) => (each['restartPolicy'] === 'Always' ? 'mustIdle' : 'mayExit'));
  const restarts = spec['restartPolicy'] !== 'Never' && spec['restartPolicy'] !== 'OnFailure';
  const main: Place[] = ordinary
    .filter(isOurs)
    .map((each) =>
      (each['restartPolicy'] === undefined ? restarts : each['restartPolicy'] === 'Always') || restarts
        ? 'mustIdle'
        : 'mayExit',
    );
  const places = new Set([...sidecarOrInit, ...main]);
  if (places.size <= 1) return [...places][0] ?? 'unknown';
  return sidecarOrInit.includes('mayExit') && !isInitialized(pod) ? 'mayExit' : 'mustIdle';
}

/**
 * @param completedBefore whether a reporter ended here with 0 before: then an exit is known to be followed by a restart
 */
export function afterReport(setting: AfterReport, place: Place, completedBefore: boolean): 'exit' | 'idle' {
  if (setting !== 'auto') return setting;
  switch (place) {
    case 'mayExit':
      return 'exit';
    case 'mustIdle':
      return 'idle';
    case 'unknown':
      return completedBefore ? 'idle' : 'exit';
    default: {
      const exhaustiveCheck: never = place;
      return exhaustiveCheck;
    }
  }
}

type Container = Readonly<Record<string, unknown>>;

function listOf(value: unknown): readonly Container[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

function isNamedReporter(container: Container): boolean {
  return container['name'] === REPORTER_CONTAINER;
}

function setsTarget(container: Container): boolean {
  return listOf(container['env']).some(({ name }) => name === 'PROBE_TARGET');
}

function isInitialized(pod: unknown): boolean {
  const status = isRecord(pod) && isRecord(pod['status']) ? pod['status'] : {};
  return listOf(status['conditions']).some(({ type, status: value }) => type === 'Initialized' && value === 'True');
}
