/**
 * The controller's ClusterRole: what its operators declare (`@Operator`), and what its API needs beside them. The operators' part is
 * checked again at the controller's start; a right that nobody declares isn't granted.
 */
import { Document, isSeq } from 'yaml';
import type { Node } from 'yaml';
import { rbacRules } from '../../src/modules/operator/index.js';
import type { PolicyRule } from '../../src/modules/operator/index.js';
import { DatapathResultReconciler } from '../../src/modules/results/datapath-result.reconciler.js';
import { DatapathRunReconciler } from '../../src/modules/runs/datapath-run.reconciler.js';

const OPERATORS = [DatapathResultReconciler, DatapathRunReconciler] as const;

const READ = ['get', 'list', 'watch'];

/** What no operator declares, with the reason. */
const BESIDES: readonly { readonly reason: string; readonly rules: readonly PolicyRule[] }[] = [
  {
    reason: 'The owners of Pods say how many are wanted, so that missing ones count.',
    rules: [
      { apiGroups: [''], resources: ['replicationcontrollers'], verbs: READ },
      { apiGroups: ['apps'], resources: ['daemonsets', 'deployments', 'replicasets', 'statefulsets'], verbs: READ },
      { apiGroups: ['batch'], resources: ['jobs'], verbs: READ },
    ],
  },
  {
    reason: 'Who calls the REST API, and may that user list results?',
    rules: [
      { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
      { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
    ],
  },
];

export function controllerRole(): string {
  const parts = [
    { reason: 'What the operators declare: they read Pods and write results.', rules: rbacRules(OPERATORS) },
    ...BESIDES,
  ];
  const document = new Document(
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'datapath-controller', labels: { 'app.kubernetes.io/component': 'controller' } },
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
