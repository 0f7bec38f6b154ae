import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

/**
 * A name server that answers by the addresses of `addressesOf` that are of the family asked for; silent where that is undefined. IPv6 is
 * written in full, eight groups.
 *
 * @param folder gets the `resolv.conf` and `hosts` by which a reporter finds it
 */
export async function nameServer(
  folder: string,
  addressesOf: (name: string, type: 'A' | 'AAAA') => readonly string[] | undefined,
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
    const addresses = addressesOf(labels.join('.'), isA ? 'A' : 'AAAA');
    if (addresses === undefined) return;
    const records = addresses.filter((address) => address.includes(':') !== isA);
    const header = Buffer.from(question.subarray(0, 12));
    header.writeUInt16BE(addresses.length === 0 ? 0x8183 : 0x8180, 2);
    header.writeUInt16BE(records.length, 6);
    const answers = records.map((address) => {
      const bytes = isA
        ? address.split('.').map(Number)
        : address.split(':').flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]);
      return Buffer.from([0xc0, 12, 0, isA ? 1 : 28, 0, 1, 0, 0, 0, 5, 0, bytes.length, ...bytes]);
    });
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
