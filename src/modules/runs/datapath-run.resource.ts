/** The DatapathRun kind, as the API server serves it. */
import type { ResourceType } from '../kube/resource.js';

export const DATAPATH_RUNS: ResourceType = {
  group: 'datapath.observer',
  version: 'v1',
  plural: 'datapathruns',
  kind: 'DatapathRun',
  namespaced: false,
};

/** Holds a DatapathResult until its numbers are kept in its run. */
export const ARCHIVE_FINALIZER = 'datapath.observer/archive';

/** The operator that keeps the runs. */
export const RUN_OPERATOR = 'datapath-run';
