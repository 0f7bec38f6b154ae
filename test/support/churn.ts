import { CONFIG_MAPS, configMap, deleteConfigMap, putConfigMap } from './kube-fixtures.js';
import { isAlreadyExists } from '../../src/modules/kube/kube-api-error.js';
import type { KubeClient } from '../../src/modules/kube/kube-client.js';

/**
 * Users who never rest: they create, change, delete, and delete-and-recreate ConfigMaps of a namespace, the same way in each run.
 */
export class Churn {
  readonly #client: KubeClient;
  readonly #namespace: string;
  readonly #names: number;
  readonly #pauseMs: number;
  #running: Promise<void> | undefined;
  #ended = false;
  #round = 0;
  #failures = 0;
  #taken = 0;

  /** @param pauseMs milliseconds between two changes */
  constructor(client: KubeClient, namespace: string, names = 40, pauseMs = 25) {
    this.#client = client;
    this.#namespace = namespace;
    this.#names = names;
    this.#pauseMs = pauseMs;
  }

  /** Changes made so far. */
  get changes(): number {
    return this.#round;
  }

  /** Changes that the API server couldn't take, because a test had ended it. */
  get failures(): number {
    return this.#failures;
  }

  /** Changes that the API server took. */
  get taken(): number {
    return this.#taken;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Stops after the change under way. */
  async stop(): Promise<void> {
    this.#ended = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#ended) {
      try {
        await this.#change(this.#round++);
        this.#taken++;
      } catch {
        // The API server is away; whatever it took or not, a fresh list tells in the end.
        this.#failures++;
      }
      await new Promise((resolve) => {
        setTimeout(resolve, this.#pauseMs);
      });
    }
  }

  async #change(round: number): Promise<void> {
    const name = `churn-${(round * 7) % this.#names}`;
    const value = String(round);
    switch (round % 5) {
      case 0:
      case 1:
      case 2:
        await putConfigMap(this.#client, this.#namespace, name, value);
        return;
      case 3:
        await deleteConfigMap(this.#client, this.#namespace, name);
        return;
      default:
        await deleteConfigMap(this.#client, this.#namespace, name);
        await this.#client.create(CONFIG_MAPS, configMap(this.#namespace, name, value)).catch((error: unknown) => {
          if (!isAlreadyExists(error)) throw error;
        });
    }
  }
}
