/** Starting one component and waiting until it serves, or telling why it doesn't. */
import type { KeyPair } from './certificates.js';
import { isReady, tailOf, type Readiness } from './readiness.js';
import type { ExitNotice, ProcessSpec, Supervisor } from './supervisor.js';
import { waitUntil } from './wait.js';

/** A component as it was started: enough to start it again in the same way. Kept as JSON in the state folder. */
export interface ComponentRecord {
  readonly spec: ProcessSpec;
  readonly ready: Readiness;
}

export interface StartContext {
  /** PEM of the authority that readiness answers must be signed by. */
  readonly authority: string;
  readonly credential: KeyPair;
  readonly timeoutMs: number;
}

/** A component that ended or didn't become ready. The message ends with the end of its log. */
export class ComponentFailed extends Error {
  override readonly name = 'ComponentFailed';
  /** Whether it found its port taken: another try with other ports may do. */
  readonly portTaken: boolean;

  constructor(record: ComponentRecord, problem: string, cause?: unknown) {
    const tail = tailOf(record.spec.log);
    super(`${record.spec.name} ${problem}\n--- end of ${record.spec.log}\n${tail}\n---`, { cause });
    this.portTaken = /address already in use/.test(tail);
  }
}

/** Resolves when the component serves. @throws ComponentFailed */
export async function startComponent(
  record: ComponentRecord,
  supervisor: Supervisor,
  { authority, credential, timeoutMs }: StartContext,
): Promise<void> {
  let exit: ExitNotice | undefined;
  const onExit = (notice: ExitNotice): void => {
    if (notice.name === record.spec.name) exit = notice;
  };
  supervisor.on('exited', onExit);
  try {
    await supervisor.startProcess(record.spec);
    await waitUntil(
      `${record.spec.name} isn't ready`,
      () => isReady(record.ready, authority, credential),
      timeoutMs,
      () => {
        if (exit !== undefined) {
          throw new ComponentFailed(record, `ended with ${exit.signal ?? exit.code} while it was starting`);
        }
      },
    );
  } catch (error) {
    if (error instanceof ComponentFailed) throw error;
    throw new ComponentFailed(record, `didn't start: ${error instanceof Error ? error.message : String(error)}`, error);
  } finally {
    supervisor.off('exited', onExit);
  }
}
