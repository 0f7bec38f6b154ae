/**
 * Compares two resource versions of the same kind: negative when `a` is older. They are decimal numbers without leading zeros that may exceed
 * a double, so the longer is the greater. (KEP-5504: versions are comparable.)
 */
export function compareVersions(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}
