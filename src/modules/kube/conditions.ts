/** `metav1.Condition`. Times are RFC 3339 with seconds. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  /** CamelCase, one word, never empty: the API server refuses a condition without one. */
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
  readonly observedGeneration?: number;
}

export type NewCondition = Omit<Condition, 'lastTransitionTime'>;

/**
 * The list with one condition set.
 *
 * Guarantees: `lastTransitionTime` moves only when the status flips; the order of the others stays; the very same list comes back
 * when nothing changes, so that a caller can tell by identity that there is nothing to write.
 *
 * @param now milliseconds since the Unix epoch
 */
export function setCondition(
  conditions: readonly Condition[] | undefined,
  wanted: NewCondition,
  now: number,
): readonly Condition[] {
  const list = conditions ?? [];
  const index = list.findIndex((condition) => condition.type === wanted.type);
  const known = list[index];
  if (known === undefined) return [...list, { ...wanted, lastTransitionTime: conditionTime(now) }];
  if (isSame(known, wanted)) return list;
  const flipped = known.status !== wanted.status;
  const lastTransitionTime = flipped ? conditionTime(now) : known.lastTransitionTime;
  return list.with(index, { ...wanted, lastTransitionTime });
}

export function findCondition(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

export function isConditionTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === 'True';
}

/** RFC 3339 with seconds, as `metav1.Time` is stored. */
export function conditionTime(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/\.\d+Z$/, 'Z');
}

function isSame(known: Condition, wanted: NewCondition): boolean {
  return (
    known.status === wanted.status &&
    known.reason === wanted.reason &&
    known.message === wanted.message &&
    known.observedGeneration === wanted.observedGeneration
  );
}
