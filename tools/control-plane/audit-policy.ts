/** What the API server writes down about each request, unless a caller brings a policy of its own. */

const WRITES = ['create', 'update', 'patch', 'delete', 'deletecollection'] as const;

/**
 * Metadata of everything; of writes to what this project reads and writes also the bodies, since `tools/invariants` judges by what
 * was asked for and by what the API server made of it. Reads by the server itself, and the heartbeats of nodes, are left out:
 * they are most of the lines and say nothing about a client. Without managedFields a body is a third of its size.
 */
export const defaultAuditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  omitManagedFields: true,
  rules: [
    { level: 'None', users: ['system:apiserver'] },
    { level: 'None', nonResourceURLs: ['/readyz*', '/livez*', '/healthz*', '/openapi*', '/version'] },
    {
      level: 'Metadata',
      namespaces: ['kube-node-lease', 'kube-system'],
      resources: [{ group: 'coordination.k8s.io', resources: ['leases'] }],
    },
    {
      level: 'RequestResponse',
      verbs: WRITES,
      resources: [
        { group: '', resources: ['pods'] },
        {
          group: 'datapath.observer',
          resources: ['datapathresults', 'datapathresults/status', 'datapathruns', 'datapathruns/status'],
        },
        { group: 'coordination.k8s.io', resources: ['leases'] },
      ],
    },
    { level: 'Request', verbs: WRITES, resources: [{ group: '', resources: ['pods/status'] }] },
    { level: 'Metadata' },
  ],
} as const;
