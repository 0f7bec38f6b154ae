/** Writes tar archives (POSIX ustar) that depend on their content alone: no clock, no user, no order of a folder. */

/** One thing in an archive. Paths are relative, without a leading "/" or "./". */
export type TarEntry = {
  readonly path: string;
  /** Permission bits, such as 0o755. */
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
} & (
  | { readonly kind: 'file'; readonly content: Buffer }
  | { readonly kind: 'folder' }
  | { readonly kind: 'link'; readonly target: string }
);

const block = 512;

/** The archive. @throws RangeError on a path that ustar can't hold (255 bytes in two parts). */
export function tar(entries: readonly TarEntry[]): Buffer {
  const parts = entries.flatMap((entry) => {
    const content = entry.kind === 'file' ? entry.content : Buffer.alloc(0);
    const padding = Buffer.alloc((block - (content.length % block)) % block);
    return [header(entry, content.length), content, padding];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * block)]);
}

function header(entry: TarEntry, size: number): Buffer {
  const buffer = Buffer.alloc(block);
  const { prefix, name } = splitPath(entry.kind === 'folder' ? `${entry.path}/` : entry.path);
  const octal = (value: number, offset: number, length: number): void => {
    const digits = value.toString(8).padStart(length - 1, '0');
    if (digits.length > length - 1) throw new RangeError(`${entry.path}: ${value} is too large for a tar header`);
    buffer.write(`${digits}\0`, offset, 'ascii');
  };
  buffer.write(name, 0, 'utf8');
  octal(entry.mode, 100, 8);
  octal(entry.uid ?? 0, 108, 8);
  octal(entry.gid ?? 0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  buffer.write('        ', 148, 'ascii');
  buffer.write({ file: '0', folder: '5', link: '2' }[entry.kind], 156, 'ascii');
  if (entry.kind === 'link') {
    if (Buffer.byteLength(entry.target) > 100) throw new RangeError(`${entry.path}: its target is too long for tar`);
    buffer.write(entry.target, 157, 'utf8');
  }
  buffer.write('ustar\x0000', 257, 'latin1');
  buffer.write(prefix, 345, 'utf8');
  const sum = buffer.reduce((total, byte) => total + byte, 0);
  buffer.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'ascii');
  return buffer;
}

function splitPath(path: string): { readonly prefix: string; readonly name: string } {
  if (Buffer.byteLength(path) <= 100) return { prefix: '', name: path };
  for (let at = path.indexOf('/'); at > 0 && at < path.length - 1; at = path.indexOf('/', at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(name) <= 100) return { prefix, name };
  }
  throw new RangeError(`${JSON.stringify(path)} is too long for tar`);
}
