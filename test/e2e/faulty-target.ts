/** A server that misbehaves in a different way on each port, run by the Node.js of the controller's image. */
import { CertificateAuthority } from '../../tools/control-plane/certificates.js';

/** What each port does with who comes. */
export const FAULTY_PORTS = {
  /** Answers 200. */
  fine: 8080,
  /** Answers 500. */
  failing: 8500,
  /** Takes the connection and resets it. */
  resetting: 8001,
  /** Takes the connection and never says a word. */
  silent: 8002,
  /** Shows a certificate of an authority that nobody knows, for another name. */
  untrusted: 8443,
} as const;

const SCRIPT = `
const http = require('node:http'), https = require('node:https'), net = require('node:net');
const ports = JSON.parse(process.env.PORTS);
http.createServer((_, response) => response.end('ok')).listen(ports.fine);
http.createServer((_, response) => { response.statusCode = 500; response.end('no'); }).listen(ports.failing);
net.createServer((socket) => { socket.on('error', () => {}); socket.resetAndDestroy(); }).listen(ports.resetting);
net.createServer((socket) => { socket.on('error', () => {}); socket.resume(); }).listen(ports.silent);
https.createServer({ key: process.env.KEY, cert: process.env.CERTIFICATE }, (_, response) => response.end('ok')).listen(ports.untrusted);
process.on('SIGTERM', () => process.exit(0));
`;

/** The Pod and the Service in front of it, reached as `http://NAME:PORT/`. */
export function faultyTarget(namespace: string, name: string): readonly object[] {
  const { certificate, key } = new CertificateAuthority('nobody knows').issue({
    commonName: 'x',
    hosts: ['x.invalid'],
  });
  const environment = { PORTS: JSON.stringify(FAULTY_PORTS), KEY: key, CERTIFICATE: certificate };
  return [
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace, labels: { app: name } },
      spec: {
        terminationGracePeriodSeconds: 1,
        automountServiceAccountToken: false,
        containers: [
          {
            name: 'target',
            image: 'datapath-controller:0.1.0',
            command: ['/usr/local/bin/node', '-e', SCRIPT],
            env: Object.entries(environment).map(([variable, value]) => ({ name: variable, value })),
            readinessProbe: { tcpSocket: { port: FAULTY_PORTS.fine }, periodSeconds: 1 },
          },
        ],
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: {
        selector: { app: name },
        ports: Object.entries(FAULTY_PORTS).map(([port, number]) => ({ name: port, port: number })),
      },
    },
  ];
}
