import { Global, Module } from '@nestjs/common';
import { ReadModel } from '../api/read-model.js';
import { ControllerReadModel } from './controller-read-model.js';
import { DatapathResultReconciler } from './datapath-result.reconciler.js';
import { ResultIndex } from './result-index.js';

/** The results: the reconciler that stores them and the index that answers for them. */
@Global()
@Module({
  providers: [ResultIndex, DatapathResultReconciler, { provide: ReadModel, useClass: ControllerReadModel }],
  exports: [ResultIndex, ReadModel],
})
export class ResultsModule {}
