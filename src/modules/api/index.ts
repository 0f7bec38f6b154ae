/** The face of the API: what the application needs of it. */
export { ApiModule } from './api.module.js';
export { API_ADAPTER_OPTIONS, configureApi } from './configure-api.js';
export { ReadModel, WORKLOAD_KINDS } from './read-model.js';
export type { Workload, WorkloadKind } from './read-model.js';
