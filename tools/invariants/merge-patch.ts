/** Merge patches as the API server applies them. Pure. */
type Json = Readonly<Record<string, unknown>>;

/** RFC 7386, of some members. What is `undefined` in the patch stays as it is. */
export function mergePatch(target: Json, patch: object, members = Object.keys(patch)): Json {
  const merged: Record<string, unknown> = { ...target };
  for (const member of members) {
    const value = (patch as Json)[member];
    if (value === null) delete merged[member];
    else if (typeof value !== 'object' || Array.isArray(value)) {
      if (value !== undefined) merged[member] = value;
    } else {
      const before = merged[member];
      const inside = typeof before === 'object' && before !== null && !Array.isArray(before) ? (before as Json) : {};
      merged[member] = mergePatch(inside, value as object);
    }
    if (merged[member] === undefined) delete merged[member];
  }
  return merged;
}
