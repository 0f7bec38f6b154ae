/** `kill -9` of the controller at moments that nobody chose, and its start again. */
import type { ControllerProcess } from '../../tools/controller/controller-process.js';
import { controllerKubeconfig } from '../../tools/controller/deployment.js';
import type { ControlPlane } from '../../tools/control-plane/launcher.js';

/** The longest time between a start and the next kill, where time decides, milliseconds: a start, a fold and many releases. */
const LONGEST_PAUSE_MS = 12_000;
const READY_MS = 120_000;

export interface KillOptions {
  readonly plane: ControlPlane;
  readonly controller: ControllerProcess;
  /** 0 to 1, as `Math.random`. */
  readonly random: () => number;
  readonly signal: AbortSignal;
  readonly tell: (text: string) => void;
}

export class RandomKills {
  #done = 0;

  constructor(private readonly options: KillOptions) {}

  get done(): number {
    return this.#done;
  }

  /** Kills so many times while the work goes from 0 to 1, each when a part of it is done that chance gives. */
  async along(kills: number, progress: () => number): Promise<void> {
    const moments = Array.from({ length: kills }, () => this.options.random()).toSorted((a, b) => a - b);
    for (const moment of moments) {
      while (progress() < moment) await this.#pause(20);
      await this.#kill();
    }
  }

  /** Kills so many times, each after a time that chance gives, and without waiting once all is over. */
  async during(kills: number, isOver: () => boolean): Promise<void> {
    for (let i = 0; i < kills; i++) {
      const end = Date.now() + this.options.random() * LONGEST_PAUSE_MS;
      while (Date.now() < end && !isOver()) await this.#pause(20);
      await this.#kill();
    }
  }

  async #kill(): Promise<void> {
    const { plane, controller, signal, tell } = this.options;
    signal.throwIfAborted();
    const kubeconfig = await controllerKubeconfig(plane);
    await controller.kill('SIGKILL');
    this.#done++;
    tell(`kill -9 number ${this.#done}`);
    controller.start(kubeconfig);
    await controller.ready(READY_MS);
  }

  async #pause(ms: number): Promise<void> {
    this.options.signal.throwIfAborted();
    await new Promise((done) => setTimeout(done, ms));
  }
}
