import { datapathResultSpec, datapathResultStatus } from '../../src/modules/results/datapath-result.schema.js';
import type { CustomResource } from './custom-resource-definition.js';

export const datapathResultResource: CustomResource = {
  group: 'datapath.observer',
  version: 'v1',
  kind: 'DatapathResult',
  plural: 'datapathresults',
  singular: 'datapathresult',
  shortNames: ['dpr'],
  categories: ['datapath'],
  scope: 'Namespaced',
  description: 'How long one Pod took until its workload started and until its network worked. It outlives the Pod.',
  spec: datapathResultSpec,
  status: datapathResultStatus,
  rules: [
    {
      rule: "self.metadata.name == 'dpresult-' + self.spec.podRef.uid",
      message: 'metadata.name must be dpresult- and the UID of the Pod: one result a Pod',
    },
  ],
  columns: [
    { name: 'Pod', type: 'string', jsonPath: '.spec.podRef.name', description: 'Pod that was measured' },
    { name: 'Node', type: 'string', jsonPath: '.status.nodeName', description: 'Node that the Pod was bound to' },
    { name: 'Outcome', type: 'string', jsonPath: '.status.outcome', description: 'How the measurement stands' },
    {
      name: 'Start',
      type: 'integer',
      jsonPath: '.status.timeToStartMs',
      description: 'Milliseconds from created to started',
    },
    {
      name: 'Datapath',
      type: 'integer',
      jsonPath: '.status.timeToDatapathReadyMs',
      description: 'Milliseconds from created to the first successful probe',
    },
    {
      name: 'Delay',
      type: 'integer',
      jsonPath: '.status.datapathDelayMs',
      description: 'Milliseconds from started to the first successful probe',
      priority: 1,
    },
    { name: 'Run', type: 'string', jsonPath: '.spec.runName', description: 'Run of the Pod', priority: 1 },
    {
      name: 'Failure',
      type: 'string',
      jsonPath: '.status.failure.class',
      description: 'Why there is no datapath readiness',
      priority: 1,
    },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age of the record' },
  ],
  selectableFields: [
    '.spec.podRef.name',
    '.spec.podRef.uid',
    '.spec.runName',
    '.status.outcome',
    '.status.nodeName',
    '.status.failure.class',
  ],
};
