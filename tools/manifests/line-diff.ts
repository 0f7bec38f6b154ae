/**
 * The lines in which two texts differ, `-` for the first and `+` for the second, as a longest common subsequence tells them; each
 * run of changes is led by its line number. Meant for files of a few thousand lines.
 */
export function lineDiff(before: string, after: string): string {
  const a = before.split('\n');
  const b = after.split('\n');
  const width = b.length + 1;
  const common = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number): number => common[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: string[] = [];
  let inRun = false;
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      inRun = false;
      i++;
      j++;
      continue;
    }
    if (!inRun) lines.push(`@@ line ${i + 1}`);
    inRun = true;
    if (j >= b.length || (i < a.length && at(i + 1, j) >= at(i, j + 1))) lines.push(`-${a[i++] ?? ''}`);
    else lines.push(`+${b[j++] ?? ''}`);
  }
  return lines.join('\n');
}
