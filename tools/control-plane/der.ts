/**
 * The few DER (ITU-T X.690) encodings that an X.509 certificate needs. Node can make keys and signatures but no
 * certificates, and a handful of tag-length-value writers is less than a dependency with its own crypto engine.
 */

/** One tag-length-value: the definite-length form, whatever the length. */
export function tagged(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const size = content.length;
  if (size < 0x80) return Buffer.concat([Buffer.from([tag, size]), content]);
  const bytes: number[] = [];
  for (let rest = size; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Buffer.concat([Buffer.from([tag, 0x80 | bytes.length, ...bytes]), content]);
}

export const sequence = (...items: readonly Buffer[]): Buffer => tagged(0x30, ...items);
export const setOf = (...items: readonly Buffer[]): Buffer => tagged(0x31, ...items);
export const octetString = (content: Buffer): Buffer => tagged(0x04, content);
export const utf8String = (text: string): Buffer => tagged(0x0c, Buffer.from(text, 'utf8'));
export const truth = (value: boolean): Buffer => tagged(0x01, Buffer.from([value ? 0xff : 0x00]));

/** A context-specific tag that wraps whole values, such as `[0] EXPLICIT Version`. */
export const explicit = (number: number, ...items: readonly Buffer[]): Buffer => tagged(0xa0 | number, ...items);

/** A context-specific tag in the place of a primitive's own, such as `[2] IMPLICIT IA5String`. */
export const implicit = (number: number, content: Buffer): Buffer => tagged(0x80 | number, content);

/** A non-negative integer from its big-endian bytes: leading zeros go, and one comes back where the sign bit is set. */
export function integer(bytes: Buffer): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const magnitude = bytes.length === 0 ? Buffer.from([0]) : bytes.subarray(start);
  const negative = ((magnitude[0] ?? 0) & 0x80) !== 0;
  return tagged(0x02, negative ? Buffer.concat([Buffer.from([0]), magnitude]) : magnitude);
}

/** A bit string. `unusedBits` counts the bits of the last byte that carry nothing. */
export const bitString = (content: Buffer, unusedBits = 0): Buffer => tagged(0x03, Buffer.from([unusedBits]), content);

/** An object identifier in dotted form, such as `2.5.4.3`. */
export function objectIdentifier(dotted: string): Buffer {
  const arcs = dotted.split('.').map(Number);
  const [first, second, ...rest] = arcs;
  if (first === undefined || second === undefined || arcs.some((arc) => !Number.isSafeInteger(arc) || arc < 0)) {
    throw new TypeError(`object identifier ${JSON.stringify(dotted)} isn't dotted numbers`);
  }
  const bytes: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const groups = [arc % 128];
    for (let high = Math.floor(arc / 128); high > 0; high = Math.floor(high / 128)) groups.unshift(0x80 | (high % 128));
    bytes.push(...groups);
  }
  return tagged(0x06, Buffer.from(bytes));
}

/** A time to the second: UTCTime up to 2049, GeneralizedTime after it (RFC 5280, 4.1.2.5). */
export function time(instant: Date): Buffer {
  const digits = instant.toISOString().replace(/[-:T]/g, '').slice(0, 14);
  return instant.getUTCFullYear() < 2050
    ? tagged(0x17, Buffer.from(`${digits.slice(2)}Z`, 'ascii'))
    : tagged(0x18, Buffer.from(`${digits}Z`, 'ascii'));
}
