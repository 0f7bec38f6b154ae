/** The face of the API: what the application needs of it. */
export { ApiModule } from './api.module.js';
export { API_ADAPTER_OPTIONS, configureApi } from './configure-api.js';
export { AccessGuard } from './access.guard.js';
export { AccessService } from './access.service.js';
export { API_OPERATIONS } from './operations.js';
export type { ApiOperation } from './operations.js';
export { openApiText } from './openapi.js';
export { Problem } from './problem.js';
export { Produces } from './produces.js';
export { SyncedGuard } from './synced.guard.js';
export { ReadModel, WORKLOAD_KINDS } from './read-model.js';
export type { KnownRun, Workload, WorkloadKind } from './read-model.js';
