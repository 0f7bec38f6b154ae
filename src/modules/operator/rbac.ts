import type { ResourceType } from '../kube/resource.js';
import { CLUSTER_EVENTS, EVENTS } from '../kube/event-recorder.js';
import { LEASES } from '../kube/lease-lock.js';
import { resourceName } from '../kube/resource-path.js';
import { declaredHandlers, declaredOptions } from './operator.decorators.js';
import { type OperatorDefinition, handlesCauses } from './operator-definition.js';
import { OperatorStartError } from './operator-errors.js';
import type { LeaderElectionOptions } from './engine-context.js';
import { type OperatorOptions, progressOf, type Selection } from './operator-options.js';

/** One rule of a Role or ClusterRole (`rbac.authorization.k8s.io/v1`). */
export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** One right that an operator needs. */
export interface Right {
  readonly group: string;
  /** With its subresource: `pods`, `pods/status`. */
  readonly resource: string;
  readonly verb: string;
  /** Undefined for all namespaces, or for a cluster-scoped resource. */
  readonly namespace: string | undefined;
  /** The only object that the right is needed for; undefined for all. */
  readonly name?: string;
}

const READ = ['get', 'list', 'watch'] as const;
/**
 * What an operator must be allowed: to read what it watches, to write its finalizer, status and Events where it has handlers of causes, and
 * what it declares as `access`.
 */
export function rightsOf({
  options,
  handlers,
}: Pick<OperatorDefinition, 'handlers'> & { readonly options: OperatorOptions }): Right[] {
  const rights: Right[] = [];
  const add = (resource: ResourceType, verbs: readonly string[], selection: Selection, subresource?: string): void => {
    const namespaces = selection.namespaces ?? options.namespaces;
    const places = resource.namespaced && namespaces !== undefined && namespaces.length > 0 ? namespaces : [undefined];
    const plural = subresource === undefined ? resource.plural : `${resource.plural}/${subresource}`;
    for (const namespace of places) {
      for (const verb of verbs) rights.push({ group: resource.group, resource: plural, verb, namespace });
    }
  };
  add(options.resource, READ, options);
  for (const watch of options.watches ?? []) add(watch.resource, READ, watch);
  if (handlesCauses({ handlers })) {
    add(options.resource, ['patch'], options);
    if (progressOf(options) === 'status') add(options.resource, ['patch'], options, 'status');
    // Handlers of causes tell people of their objects, and so does the engine where one gave up.
    if (options.resource.namespaced) add(EVENTS, ['create'], options);
    else rights.push({ group: EVENTS.group, resource: EVENTS.plural, verb: 'create', namespace: CLUSTER_EVENTS });
  }
  for (const { resource, verbs, subresource } of options.access ?? []) add(resource, verbs, options, subresource);
  return unique(rights);
}

/** What an election needs, in its own namespace only. */
export function electionRights({ namespace, name }: LeaderElectionOptions): Right[] {
  const lease = { group: LEASES.group, resource: LEASES.plural, namespace };
  // A create can't be bound to a name: RBAC doesn't know the name of what is yet to be made.
  return [
    { ...lease, verb: 'get', name },
    { ...lease, verb: 'create' },
    { ...lease, verb: 'patch', name },
  ];
}

/**
 * The rules that a ClusterRole (or, with `namespaces`, a Role in each) must hold for these operators, in canonical order: the same classes give the same
 * manifest. Leases are left out: they belong in a Role of the controller's own namespace, see {@link electionRules}.
 *
 * @param operators classes that are declared with `@Operator`
 * @throws OperatorStartError when a class isn't
 */
export function rbacRules(operators: readonly (abstract new (...args: never[]) => object)[]): PolicyRule[] {
  return toRules(
    operators.flatMap((type) => {
      const options = declaredOptions(type);
      if (options === undefined) throw new OperatorStartError(`${type.name} is not declared with @Operator()`);
      return rightsOf({ options, handlers: declaredHandlers(type) });
    }),
  );
}

/** The rules of the Role that an election needs in its namespace. */
export function electionRules(): PolicyRule[] {
  return toRules(electionRights({ namespace: '', name: '', identity: '' }));
}

/** Rights as rules: resources of one group with the same verbs share a rule. */
export function toRules(rights: readonly Right[]): PolicyRule[] {
  const verbs = new Map<string, Set<string>>();
  for (const { group, resource, verb } of rights) {
    const id = `${group}\n${resource}`;
    verbs.set(id, (verbs.get(id) ?? new Set()).add(verb));
  }
  const rules = new Map<string, { group: string; resources: string[]; verbs: string[] }>();
  for (const [id, set] of verbs) {
    const [group = '', resource = ''] = id.split('\n');
    const sorted = [...set].sort(byVerb);
    const ruleId = `${group}\n${sorted.join()}`;
    const rule = rules.get(ruleId) ?? { group, resources: [], verbs: sorted };
    rule.resources.push(resource);
    rules.set(ruleId, rule);
  }
  return [...rules.values()]
    .map((rule) => ({ apiGroups: [rule.group], resources: rule.resources.sort(), verbs: rule.verbs }))
    .sort((a, b) => compare(`${a.apiGroups[0]}/${a.resources[0]}`, `${b.apiGroups[0]}/${b.resources[0]}`));
}

/** `get pods`, `patch widgets.example.com/status in namespace a`: as people say it. */
export function describeRight({ group, resource, verb, namespace }: Right): string {
  const [plural = '', subresource] = resource.split('/');
  const name = resourceName({ group, plural, version: '', kind: '', namespaced: false });
  return `${verb} ${name}${subresource === undefined ? '' : `/${subresource}`}${namespace === undefined ? '' : ` in namespace ${namespace}`}`;
}

const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];

function byVerb(a: string, b: string): number {
  return VERBS.indexOf(a) - VERBS.indexOf(b) || compare(a, b);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function unique(rights: readonly Right[]): Right[] {
  return [...new Map(rights.map((right) => [JSON.stringify(right), right])).values()];
}
