import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

/**
 * A name server that answers A questions by `addressesOf`; silent where that is undefined.
 *
 * @param folder gets the `resolv.conf` and `hosts` by which a reporter finds it
 */
export async function nameServer(
  folder: string,
  addressesOf: (name: string) => readonly string[] | undefined,
): Promise<{ env: Readonly<Record<string, string>>; close: () => void }> {
  const socket = createSocket('udp4');
  socket.on('message', (question, peer) => {
    const labels: string[] = [];
    let offset = 12;
    for (let length = question[offset] ?? 0; length > 0; length = question[offset] ?? 0) {
      labels.push(question.toString('latin1', offset + 1, offset + 1 + length));
      offset += 1 + length;
    }
    const isA = question.readUInt16BE(offset + 1) === 1;
    const addresses = addressesOf(labels.join('.'));
    if (addresses === undefined) return;
    const records = isA ? addresses : [];
    const header = Buffer.from(question.subarray(0, 12));
    header.writeUInt16BE(addresses.length === 0 ? 0x8183 : 0x8180, 2);
    header.writeUInt16BE(records.length, 6);
    const answers = records.map((address) =>
      Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, ...address.split('.').map(Number)]),
    );
    socket.send(Buffer.concat([header, question.subarray(12, offset + 5), ...answers]), peer.port, peer.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address() as AddressInfo;
  const conf = join(folder, 'resolv.conf');
  writeFileSync(conf, `search default.svc.cluster.local\nnameserver [127.0.0.1]:${port}\noptions ndots:5\n`);
  writeFileSync(join(folder, 'hosts'), '127.0.0.1 localhost\n');
  const env = { RESOLV_CONF: conf, HOSTS_FILE: join(folder, 'hosts') };
  return { env, close: () => socket.close() };
}
