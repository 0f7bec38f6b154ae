import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import type { ReflectorStatus } from '../kube/reflector-status.js';
import { FakeClock } from '../../../test/support/fake-clock.js';
import type { ElectorPort } from './ports.js';
import { registerWatchMetrics } from './watch-metrics.js';

function status(changes: Partial<ReflectorStatus>): ReflectorStatus {
  return {
    resource: 'pods',
    state: 'watching',
    synced: true,
    size: 0,
    lastLineAt: undefined,
    resourceVersion: '1',
    restarts: {},
    relistsByReason: {},
    relists: 0,
    missedEvents: 0,
    verifications: 0,
    projectionErrors: 0,
    listenerErrors: 0,
    stuck: false,
    ...changes,
  };
}

describe('The metrics of watches, lease and event loop', () => {
  it('exist before anything happened, and add up the watches of one resource', async () => {
    const clock = new FakeClock();
    const registry = new Registry();
    const watches = [status({ size: 3 }), status({ size: 4, missedEvents: 1, restarts: { silence: 2 } })];
    const elector = { marginMs: () => 7_500 } as unknown as ElectorPort;
    const end = registerWatchMetrics(registry, { clock, watches: () => watches, elector });
    const text = await registry.metrics();
    end();
    const lines = text.split('\n');
    for (const line of [
      'operator_cache_objects{resource="pods"} 7',
      'operator_missed_events_total{resource="pods"} 1',
      'operator_relist_total{resource="pods"} 0',
      'operator_watch_restarts_total{resource="pods",reason="silence"} 2',
      'operator_watch_restarts_total{resource="pods",reason="expired"} 0',
      'operator_lease_margin_seconds 7.5',
    ]) {
      expect(lines).toContain(line);
    }
    expect(text).toMatch(/^operator_event_loop_delay_seconds\{quantile="0.99"\} \d/m);
    // Before the first line there is no age: 0 would look like a watch that is well.
    expect(text).not.toMatch(/^operator_watch_last_event_age_seconds\{/m);
  });

  it('tell the age of the watch that has been silent for longest', async () => {
    const clock = new FakeClock();
    const registry = new Registry();
    const now = clock.monotonicMs();
    const watches = [status({ lastLineAt: now - 2_000 }), status({ lastLineAt: now - 60_000 })];
    const end = registerWatchMetrics(registry, { clock, watches: () => watches, elector: undefined });
    const text = await registry.metrics();
    end();
    expect(text).toContain('operator_watch_last_event_age_seconds{resource="pods"} 60\n');
  });
});
