/** DNS messages (RFC 1035, RFC 3596): one question out, addresses back. Pure; what comes from the network is hostile input. */

export const RECORD_TYPES = { A: 1, AAAA: 28 } as const;
export type RecordType = keyof typeof RECORD_TYPES;

export interface DnsAnswer {
  readonly id: number;
  readonly type: RecordType;
  /** Response code: 0 no error, 2 server failure, 3 no such name. */
  readonly code: number;
  readonly addresses: readonly string[];
}

const HEADER_BYTES = 12;
const FLAG_RESPONSE = 0x8000;
const FLAG_RECURSION_DESIRED = 0x0100;
const CLASS_IN = 1;

/**
 * @param id 0 to 65535
 * @param name without or with a final dot; labels of 1 to 63 bytes
 */
export function encodeQuestion(id: number, name: string, type: RecordType): Uint8Array {
  const labels = labelsOf(name);
  const length = HEADER_BYTES + labels.reduce((sum, label) => sum + 1 + label.length, 1) + 4;
  const message = Buffer.alloc(length);
  message.writeUInt16BE(id, 0);
  message.writeUInt16BE(FLAG_RECURSION_DESIRED, 2);
  message.writeUInt16BE(1, 4);
  let offset = HEADER_BYTES;
  for (const label of labels) {
    offset = message.writeUInt8(label.length, offset);
    offset += message.write(label, offset, 'latin1');
  }
  offset = message.writeUInt8(0, offset);
  offset = message.writeUInt16BE(RECORD_TYPES[type], offset);
  message.writeUInt16BE(CLASS_IN, offset);
  return message;
}

/** @returns `undefined` for what is no answer to a question about `name`: another's, malformed, cut short within a record */
export function decodeAnswer(bytes: Uint8Array, name: string): DnsAnswer | undefined {
  const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return decode(message, name);
  } catch {
    // Reading past the end is how a message that was cut shows itself.
    return undefined;
  }
}

function decode(message: Buffer, name: string): DnsAnswer | undefined {
  const flags = message.readUInt16BE(2);
  if ((flags & FLAG_RESPONSE) === 0 || message.readUInt16BE(4) !== 1) return undefined;
  const question = readName(message, HEADER_BYTES);
  if (question.labels.join('.').toLowerCase() !== labelsOf(name).join('.').toLowerCase()) return undefined;
  const asked = message.readUInt16BE(question.end);
  const type = asked === RECORD_TYPES.A ? 'A' : asked === RECORD_TYPES.AAAA ? 'AAAA' : undefined;
  if (type === undefined) return undefined;
  const addresses: string[] = [];
  let offset = question.end + 4;
  for (let count = message.readUInt16BE(6); count > 0; count -= 1) {
    offset = readName(message, offset).end;
    const recordType = message.readUInt16BE(offset);
    const length = message.readUInt16BE(offset + 8);
    const data = message.subarray(offset + 10, offset + 10 + length);
    offset += 10 + length;
    if (recordType !== asked) continue;
    if (type === 'A' && data.length === 4) addresses.push([...data].join('.'));
    if (type === 'AAAA' && data.length === 16) addresses.push(ipv6Text(data));
  }
  return { id: message.readUInt16BE(0), type, code: flags & 0xf, addresses };
}

/** Follows compression pointers at most 32 times, so that a message can't hold a reader in a loop. */
function readName(message: Buffer, start: number): { labels: readonly string[]; end: number } {
  const labels: string[] = [];
  let offset = start;
  let end = -1;
  for (let jumps = 0; ;) {
    const length = message.readUInt8(offset);
    if (length === 0) return { labels, end: end < 0 ? offset + 1 : end };
    if ((length & 0xc0) === 0xc0) {
      if ((jumps += 1) > 32) throw new RangeError('a loop of compression pointers');
      if (end < 0) end = offset + 2;
      offset = message.readUInt16BE(offset) & 0x3fff;
      continue;
    }
    if (length > 63 || offset + 1 + length > message.length) throw new RangeError('a label beyond the message');
    labels.push(message.toString('latin1', offset + 1, offset + 1 + length));
    offset += 1 + length;
  }
}

function labelsOf(name: string): readonly string[] {
  return (name.endsWith('.') ? name.slice(0, -1) : name).split('.');
}

function ipv6Text(data: Buffer): string {
  return Array.from({ length: 8 }, (_, index) => data.readUInt16BE(index * 2).toString(16)).join(':');
}
