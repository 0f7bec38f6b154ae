import { Injectable } from '@nestjs/common';
import type { CanActivate } from '@nestjs/common';
import { Problem } from './problem.js';
import { ReadModel } from './read-model.js';

/** Lets a question through once the caches are filled: half an answer looks like a whole one. */
@Injectable()
export class SyncedGuard implements CanActivate {
  constructor(private readonly model: ReadModel) {}

  canActivate(): boolean {
    if (this.model.synced) return true;
    throw new Problem('not-ready', 'The caches are being filled; ask again in a second', {
      headers: { 'retry-after': '1' },
    });
  }
}
