import { randomBytes } from 'node:crypto';
import { isAlreadyExists, isNotFound } from '../../src/modules/kube/kube-api-error.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import {
  formatKey,
  type KubeObject,
  type ReflectorEvent,
  type ResourceType,
  type Store,
} from '../../src/modules/kube/resource.js';

export const NAMESPACES: ResourceType = {
  group: '',
  version: 'v1',
  plural: 'namespaces',
  kind: 'Namespace',
  namespaced: false,
};

export const CONFIG_MAPS: ResourceType = {
  group: '',
  version: 'v1',
  plural: 'configmaps',
  kind: 'ConfigMap',
  namespaced: true,
};

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** What the tests keep of a ConfigMap. */
export interface ConfigMapView {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly value: string;
}

export function projectConfigMap(raw: KubeObject): ConfigMapView {
  const { namespace = '', name, uid = '', resourceVersion = '' } = raw.metadata;
  return { namespace, name, uid, resourceVersion, value: (raw as ConfigMap).data?.['value'] ?? '' };
}

/** Makes a namespace that no other test uses, and returns its name. */
export async function makeNamespace(client: KubeClient, purpose: string): Promise<string> {
  const name = `${purpose}-${randomBytes(4).toString('hex')}`;
  await client.create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  return name;
}

export function configMap(namespace: string, name: string, value: string): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name }, data: { value } };
}

/** Creates a ConfigMap or sets its value. */
export async function putConfigMap(client: KubeClient, namespace: string, name: string, value: string): Promise<void> {
  try {
    await client.create(CONFIG_MAPS, configMap(namespace, name, value));
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    await client.patch(CONFIG_MAPS, { namespace, name }, { data: { value } }, { kind: 'merge' });
  }
}

export async function deleteConfigMap(client: KubeClient, namespace: string, name: string): Promise<void> {
  try {
    await client.delete(CONFIG_MAPS, { namespace, name });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** `key → uid@version` of a store, to compare with a fresh list. */
export function describeStore(store: Store<ConfigMapView>): Record<string, string> {
  const entries = [...store.values()].map((view) => [formatKey(view), `${view.uid}@${view.resourceVersion}`]);
  return Object.fromEntries(entries.sort()) as Record<string, string>;
}

/** The same of a fresh list of all pages. */
export async function describeList(client: KubeClient, namespace: string): Promise<Record<string, string>> {
  const entries: [string, string][] = [];
  let continueToken: string | undefined;
  do {
    const page = await client.list<ConfigMap>(CONFIG_MAPS, { namespace, limit: 500, continue: continueToken });
    for (const { metadata } of page.items) {
      entries.push([`${metadata.namespace}/${metadata.name}`, `${metadata.uid}@${metadata.resourceVersion}`]);
    }
    continueToken = page.metadata.continue;
  } while (continueToken !== undefined && continueToken !== '');
  return Object.fromEntries(entries.sort()) as Record<string, string>;
}

/**
 * A store built from nothing but delivered events, refusing any that contradicts the ones before: so that the stream of events, not only
 * the cache, is shown to be whole.
 */
export class EventLedger {
  readonly objects = new Map<string, ConfigMapView>();
  readonly events: ReflectorEvent<ConfigMapView>[] = [];
  readonly contradictions: string[] = [];

  readonly take = (event: ReflectorEvent<ConfigMapView>): void => {
    this.events.push(event);
    if (event.type === 'Synced') return;
    const { object } = event;
    const key = formatKey(object);
    const known = this.objects.get(key);
    const text = `${event.type} ${key} ${object.uid}@${object.resourceVersion}`;
    if (event.type === 'Added') {
      if (known !== undefined) this.contradictions.push(`${text} although it was there`);
      this.objects.set(key, object);
    } else if (event.type === 'Modified') {
      if (known?.uid !== object.uid) this.contradictions.push(`${text} although it wasn't there`);
      if (known?.resourceVersion === object.resourceVersion) this.contradictions.push(`${text} a second time`);
      this.objects.set(key, object);
    } else {
      if (known?.uid !== object.uid) this.contradictions.push(`${text} although it wasn't there`);
      this.objects.delete(key);
    }
  };

  describe(): Record<string, string> {
    const entries = [...this.objects.values()].map((view) => [formatKey(view), `${view.uid}@${view.resourceVersion}`]);
    return Object.fromEntries(entries.sort()) as Record<string, string>;
  }
}

/** Waits until `condition` holds. @throws Error with `what` when it doesn't within `timeoutMs` milliseconds */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 15_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`it never happened within ${timeoutMs} ms that ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}
