/** The calls about runs over the runs of the documentation's examples, without Kubernetes. Import it beside the API of `startApi`. */
import { Module } from '@nestjs/common';
import { ApiModule, ReadModel } from '../../src/modules/api/index.js';
import { API_CLOCK } from '../../src/modules/api/api-clock.js';
import { systemClock } from '../../src/modules/kube/clock.js';
import type { Projected, Store } from '../../src/modules/kube/resource.js';
import type { ResultView } from '../../src/modules/results/result-conversion.js';
import { RunAccessGuard } from '../../src/modules/runs/run-access.guard.js';
import { RunDirectory } from '../../src/modules/runs/run-directory.js';
import { EXAMPLE_RUNS } from '../../src/modules/runs/run-examples.js';
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

@Module({
  imports: [ApiModule],
  controllers: [RunsController],
  providers: [
    RunAccessGuard,
    { provide: API_CLOCK, useValue: systemClock },
    {
      provide: RunDirectory,
      inject: [ReadModel],
      useFactory: (model: ReadModel) => new RunDirectory(model.index, storeOf(EXAMPLE_RUNS), storeOf<ResultView>([])),
    },
  ],
})
export class FilledRunsModule {}
