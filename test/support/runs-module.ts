/** The calls about runs over runs that a test gives, without Kubernetes. Import it beside the API of `startApi`. */
import { Module } from '@nestjs/common';
import { ApiModule, ReadModel } from '../../src/modules/api/index.js';
import { API_CLOCK } from '../../src/modules/api/api-clock.js';
import { systemClock } from '../../src/modules/kube/clock.js';
import type { Projected, Store } from '../../src/modules/kube/resource.js';
import type { ResultView } from '../../src/modules/results/result-conversion.js';
import { RunAccessGuard } from '../../src/modules/runs/run-access.guard.js';
import { RunDirectory } from '../../src/modules/runs/run-directory.js';
import { projectRun } from '../../src/modules/runs/run-view.js';
import { RunsController } from '../../src/modules/runs/runs.controller.js';

/** A store of what is put into it, by name. */
function storeOf<T extends Projected>(objects: readonly T[]): Store<T> {
  return {
    synced: true,
    size: objects.length,
    get: (key) => objects.find(({ name }) => name === key),
    getByUid: (uid) => objects.find((object) => object.uid === uid),
    values: () => objects.values(),
  };
}

/** One run, `run-1`; whatever else results name has lost its own. */
const RUNS = [
  projectRun({
    metadata: {
      name: 'run-1',
      uid: 'uid-of-run-1',
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: '2026-01-31T11:00:00Z',
    },
  }),
];

@Module({
  imports: [ApiModule],
  controllers: [RunsController],
  providers: [
    RunAccessGuard,
    { provide: API_CLOCK, useValue: systemClock },
    {
      provide: RunDirectory,
      inject: [ReadModel],
      useFactory: (model: ReadModel) => new RunDirectory(model.index, storeOf(RUNS), storeOf<ResultView>([])),
    },
  ],
})
export class FilledRunsModule {}
