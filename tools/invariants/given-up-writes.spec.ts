import { expect, it } from '@jest/globals';
import { HandMadeLog } from '../../test/support/hand-made-log.js';
import { CONTROLLER_USER, LEASE_NAME } from './check.js';
import { HistoryBuilder } from './history.js';

it('a status that the log gave up is merged as the API server does: what it takes away is gone', () => {
  const log = new HandMadeLog().result('create', { podUid: 'a' });
  log.result('patch', { podUid: 'a', status: { outcome: 'Failed', failure: { class: 'ProbeTimeout' } } });
  const late = { failure: null, outcome: 'Ready', timeToStartMs: 7 } as object;
  log.result('patch', { podUid: 'a', spec: null, status: late, code: 504 });
  const builder = new HistoryBuilder({ controllerUser: CONTROLLER_USER, leaseName: LEASE_NAME });
  for (const event of log.events) builder.add(event);
  const last = builder.build().results[0]?.versions.at(-1);
  expect(last?.object.status).toEqual({ outcome: 'Ready', timeToStartMs: 7 });
});
