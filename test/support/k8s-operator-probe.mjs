// Runs calls of @dot-i/k8s-operator's own class, in a process of its own since it ends the process, and prints what came of them as JSON.
// usage: node k8s-operator-probe.mjs calls|stop|quiet NAMESPACE [CRD_FILE]
import { writeSync } from 'node:fs';
import operator from '@dot-i/k8s-operator';

const [mode, namespace, crdFile] = process.argv.slice(2);

class Library extends operator.default {
  async init() {
    await this.watchResource('operator.test', 'v1', 'widgets', (event) => this.onEvent(event), namespace);
  }

  async onEvent(event) {
    say({ seen: event.meta.name });
    if (mode !== 'calls') return;
    const outcome = (call) =>
      call.then(
        (value) => ({ value }),
        (error) => ({ error: error.name ?? String(error) }),
      );
    say({
      uri: this.getCustomResourceApiUri('operator.test', 'v1', 'widgets', 'a'),
      register: await outcome(this.registerCustomResourceDefinition(crdFile)),
      finalizer: await outcome(this.handleResourceFinalizer(event, 'operator.test/base', () => Promise.resolve())),
      patchStatus: await outcome(this.patchResourceStatus(event.meta, { phase: 'Theirs' })),
      setStatus: await outcome(this.setResourceStatus(event.meta, { phase: 'Theirs' })),
    });
    process.exit(0);
  }
}

function say(line) {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

const library = new Library();
await library.start();
say({ started: true });
if (mode === 'stop') {
  library.stop();
  setTimeout(() => say({ survived: true }), 5_000);
}
