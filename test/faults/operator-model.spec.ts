import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { serveWidgets } from '../support/operator-fixtures.js';
import { commands, Stage } from '../support/operator-model.js';
import { type ProxiedKubeconfig, proxiedKubeconfig } from '../support/proxied-kubeconfig.js';

describe('The model of the operator', () => {
  let client: KubeClient;
  let proxied: ProxiedKubeconfig;

  beforeAll(async () => {
    client = connect();
    await serveWidgets(client);
    proxied = await proxiedKubeconfig();
  });

  afterAll(async () => {
    client.close();
    await proxied.close();
  });

  it('finds an operator that mends nothing, and shrinks the sequence to the few steps that show it', async () => {
    const property = fc.asyncProperty(commands, async (sequence) => {
      const stage = new Stage(client, proxied);
      stage.world.negligent = true;
      stage.settleMs = 3_000;
      try {
        await stage.open();
        for (const step of sequence) await stage.run(step);
        await stage.run({ do: 'heal' });
        await stage.settle();
      } finally {
        await stage.close();
      }
    });
    const details = await fc.check(property, { seed: 7, numRuns: 50, interruptAfterTimeLimit: 400_000 });
    expect(details.failed).toBe(true);
    const [shortest = []] = details.counterexample ?? [];
    process.stderr.write(`  shrunk ${details.numShrinks} times, to ${JSON.stringify(shortest)}\n`);
    expect(details.numShrinks).toBeGreaterThan(0);
    expect(shortest.length).toBeLessThanOrEqual(8);
    expect(shortest.some(({ do: what }) => what === 'loseCopy' || what === 'deface')).toBe(true);
  }, 500_000);
});
