import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { connect } from '../../src/modules/kube/connect.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';
import { serveWidgets } from '../support/operator-fixtures.js';
import { commands, Stage } from '../support/operator-model.js';
import { type ProxiedKubeconfig, proxiedKubeconfig } from '../support/proxied-kubeconfig.js';

/** How long sequences are tried, seconds; `make soak` gives more. The seed of a failed run goes into MODEL_SEED. */
const SECONDS = Number(process.env['MODEL_SECONDS'] ?? 20);
const SEED = Number(process.env['MODEL_SEED'] ?? Date.now() % 2 ** 31);
/** How long a sequence that failed is made shorter, milliseconds: then the shortest so far is told, with its seed and path. */
const SHRINK_MS = 180_000;

describe('An operator under random edits, faults, restarts and leader changes', () => {
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

  it(
    `comes to rest in the state that the objects ask for, and then writes nothing more (MODEL_SEED=${SEED})`,
    async () => {
      let sequences = 0;
      let steps = 0;
      const until = performance.now() + SECONDS * 1_000;
      const property = fc.asyncProperty(commands, async (sequence) => {
        const stage = new Stage(client, proxied);
        try {
          await stage.open();
          for (const step of sequence) {
            await stage.run(step);
            steps += 1;
          }
          await stage.run({ do: 'heal' });
          await stage.settle();
          await stage.reconcileAgain();
          const versions = await stage.versions();
          await stage.reconcileAgain();
          expect(await stage.versions()).toEqual(versions);
          sequences += 1;
        } finally {
          await stage.close();
        }
      });
      // A few at a time: a sequence that has begun is always brought to its end.
      for (let seed = SEED; performance.now() < until; seed += 1) {
        await fc.assert(property, { seed, numRuns: 5, interruptAfterTimeLimit: SHRINK_MS });
      }
      expect(sequences).toBeGreaterThan(0);
      process.stdout.write(`operator model: ${sequences} sequences, ${steps} steps, seed ${SEED}\n`);
    },
    SECONDS * 1_000 + 240_000,
  );
});
