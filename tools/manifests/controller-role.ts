/**
 * The controller's ClusterRoles: what its operators declare (`@Operator`), and what its API needs beside them. The operators' part is
 * checked again at the controller's start; a right that nobody declares isn't granted.
 */
import { Document, isSeq } from 'yaml';
import type { Node } from 'yaml';
import { rbacRules } from '../../src/modules/operator/index.js';
import type { PolicyRule } from '../../src/modules/operator/index.js';
import { DatapathResultReconciler } from '../../src/modules/results/datapath-result.reconciler.js';
import { ReadinessGateReconciler } from '../../src/modules/results/readiness-gate.reconciler.js';
import { DatapathRunReconciler } from '../../src/modules/runs/datapath-run.reconciler.js';

/** Rules that are needed for one reason. */
interface Part {
  readonly reason: string;
  readonly rules: readonly PolicyRule[];
}

/** What the controller may do wherever it is installed. */
export function controllerRole(): string {
  return clusterRole('datapath-controller', 'controller', [
    {
      reason: 'What the operators declare: they read Pods and their owners, write results, and tell people by Events.',
      rules: rbacRules([DatapathResultReconciler, DatapathRunReconciler]),
    },
    {
      reason: 'Who calls the REST API, and may that user list results?',
      rules: [
        { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
        { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
      ],
    },
  ]);
}

/** What it needs beside that where it opens readiness gates. */
export function readinessGateRole(): string {
  return clusterRole('datapath-readiness-gate', 'readiness-gate', [
    {
      reason: 'What the operator of readiness gates declares: it sets one condition of Pods.',
      rules: rbacRules([ReadinessGateReconciler]),
    },
  ]);
}

function clusterRole(name: string, component: string, parts: readonly Part[]): string {
  const document = new Document(
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name, labels: { 'app.kubernetes.io/component': component } },
      rules: parts.flatMap(({ rules }) => rules),
    },
    { aliasDuplicateObjects: false },
  );
  const rules = document.get('rules');
  if (!isSeq(rules)) throw new Error('rules is no list');
  let at = 0;
  for (const { reason, rules: part } of parts) {
    const first = rules.items[at] as Node | undefined;
    if (first !== undefined) first.commentBefore = ` ${reason}`;
    at += part.length;
  }
  return document.toString({ lineWidth: 0 });
}
