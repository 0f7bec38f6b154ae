/** What the API server writes down about each request, unless a caller brings a policy of its own. */

/**
 * Metadata of everything, with the body of the request for what this project writes. Reads by the server itself are
 * left out: they are most of the lines and say nothing about a client.
 */
export const defaultAuditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'None', users: ['system:apiserver'] },
    { level: 'None', nonResourceURLs: ['/readyz*', '/livez*', '/healthz*', '/openapi*', '/version'] },
    {
      level: 'Request',
      verbs: ['create', 'update', 'patch', 'delete', 'deletecollection'],
      resources: [
        { group: '', resources: ['pods', 'pods/status'] },
        {
          group: 'datapath.observer',
          resources: ['datapathresults', 'datapathresults/status', 'datapathruns', 'datapathruns/status'],
        },
        { group: 'coordination.k8s.io', resources: ['leases'] },
      ],
    },
    { level: 'Metadata' },
  ],
} as const;
