import { datapathRunSpec, datapathRunStatus } from '../../src/modules/runs/datapath-run.schema.js';
import type { CustomResource } from './custom-resource-definition.js';

const METRIC = '.status.metrics.timeToDatapathReady';

export const datapathRunResource: CustomResource = {
  group: 'datapath.observer',
  version: 'v1',
  kind: 'DatapathRun',
  plural: 'datapathruns',
  singular: 'datapathrun',
  shortNames: ['dprun'],
  categories: ['datapath'],
  scope: 'Cluster',
  description: 'One experiment: the results that carry its name, its verdict, and the numbers that outlive them.',
  spec: datapathRunSpec,
  status: datapathRunStatus,
  rules: [
    {
      rule: "size(self.metadata.name) <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
      message: 'metadata.name must fit into a label: at most 63 lower-case letters, digits, "-" and "."',
    },
  ],
  columns: [
    { name: 'Expected', type: 'integer', jsonPath: '.spec.expectedPods', description: 'Pods that are expected' },
    { name: 'Ready', type: 'integer', jsonPath: '.status.ready', description: 'Pods that became ready' },
    { name: 'Failed', type: 'integer', jsonPath: '.status.failed', description: 'Pods that failed' },
    {
      name: 'P50',
      type: 'integer',
      jsonPath: `${METRIC}.p50Ms`,
      description: 'Median of time to datapath ready, milliseconds',
    },
    {
      name: 'P99',
      type: 'integer',
      jsonPath: `${METRIC}.p99Ms`,
      description: '99th percentile of time to datapath ready, milliseconds',
    },
    { name: 'Verdict', type: 'string', jsonPath: '.status.verdict', description: 'Whether the objectives were met' },
    { name: 'Pods', type: 'integer', jsonPath: '.status.pods', description: 'Pods of the run', priority: 1 },
    {
      name: 'Complete',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Complete")].status',
      description: 'Whether the run is over',
      priority: 1,
    },
    { name: 'Reason', type: 'string', jsonPath: '.status.reason', description: 'Why the verdict', priority: 1 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age of the run' },
  ],
  selectableFields: ['.status.verdict'],
};
