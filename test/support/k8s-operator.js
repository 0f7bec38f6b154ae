// Jest cannot `require()` an ES module before Node 24.9 (and reports a false cycle after it), but the library is CommonJS and
// requires the ESM Kubernetes client. So its real file is evaluated here with the client handed in.
import * as client from '@kubernetes/client-node';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const nodeRequire = createRequire(import.meta.url);
const file = new URL('../../node_modules/@dot-i/k8s-operator/dist/operator.js', import.meta.url);
const exports = {};
new Function('exports', 'require', readFileSync(file, 'utf8'))(exports, (id) =>
  id === '@kubernetes/client-node' ? client : nodeRequire(id),
);

export default exports;
export const { ResourceEventType, ResourceMetaImpl } = exports;
