/** What a process costs, read from /proc: CPU seconds and memory. Linux only, as the bench is. */
import { readFileSync } from 'node:fs';

/** Kernel ticks per second of /proc/PID/stat; 100 on every Linux that matters. */
const TICKS_PER_SECOND = 100;

export interface Usage {
  /** User and system time since the process started, seconds. */
  readonly cpuSeconds: number;
  /** Resident memory now, MB (10^6 bytes). */
  readonly rssMb: number;
  /** The largest it was, MB. */
  readonly peakMb: number;
}

export function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The command's name may hold blanks and parentheses: the fields begin after the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const megabytes = (key: string): number => {
    const kibibytes = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(status)?.[1];
    return kibibytes === undefined ? 0 : (Number(kibibytes) * 1024) / 1e6;
  };
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    rssMb: megabytes('VmRSS'),
    peakMb: megabytes('VmHWM'),
  };
}

/** The value at quantile `q` by nearest rank. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * q) - 1)] ?? Number.NaN;
}
