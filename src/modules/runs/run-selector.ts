/** Selectors of the Kubernetes API (`metav1.LabelSelector`) as this code matches them. Pure. */
import { matchesSelector } from '../../statistics/label-selector.js';
import type { LabelSelector, Requirement, SelectorOperator } from '../../statistics/label-selector.js';
import { checkLabelKey, checkLabelValue } from '../../statistics/label-syntax.js';
import type { DatapathRunSpec } from './datapath-run.schema.js';

type KubeSelector = NonNullable<NonNullable<DatapathRunSpec['selector']>['podSelector']>;

const OPERATORS: Readonly<Record<string, SelectorOperator>> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: '!',
};

export interface RunSelector {
  readonly pods: LabelSelector | undefined;
  readonly namespaces: LabelSelector | undefined;
}

/** The selector of a run; `undefined` where it has none. @throws RangeError where a key or value is none of a label */
export function readRunSelector(spec: DatapathRunSpec): RunSelector | undefined {
  const { podSelector, namespaceSelector } = spec.selector ?? {};
  if (podSelector === undefined && namespaceSelector === undefined) return undefined;
  return {
    pods: podSelector === undefined ? undefined : readSelector(podSelector, 'podSelector'),
    namespaces: namespaceSelector === undefined ? undefined : readSelector(namespaceSelector, 'namespaceSelector'),
  };
}

export function selectsPod(
  selector: RunSelector,
  podLabels: Readonly<Record<string, string>>,
  namespaceLabels: Readonly<Record<string, string>>,
): boolean {
  return (
    (selector.pods === undefined || matchesSelector(selector.pods, podLabels)) &&
    (selector.namespaces === undefined || matchesSelector(selector.namespaces, namespaceLabels))
  );
}

function readSelector({ matchLabels, matchExpressions }: KubeSelector, where: string): LabelSelector {
  const requirements: Requirement[] = Object.entries(matchLabels ?? {}).map(([key, value]) => ({
    key,
    operator: '=',
    values: [value],
  }));
  for (const { key, operator, values } of matchExpressions ?? []) {
    requirements.push({ key, operator: OPERATORS[operator] ?? 'exists', values: (values ?? []).toSorted() });
  }
  for (const { key, values } of requirements) {
    const wrongKey = checkLabelKey(key);
    if (wrongKey !== undefined) throw new RangeError(`${where}: ${JSON.stringify(key)}: ${wrongKey}`);
    for (const value of values) {
      const wrong = checkLabelValue(value);
      if (wrong !== undefined) throw new RangeError(`${where}: ${JSON.stringify(value)}: ${wrong}`);
    }
  }
  return { requirements };
}
