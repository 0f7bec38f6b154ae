/** Content negotiation by `Accept` (RFC 9110 section 12.5.1). */

interface MediaRange {
  readonly type: string;
  readonly subtype: string;
  readonly q: number;
}

const RANGE = /^([!#$%&'*+\-.^_`|~\w]+)\/([!#$%&'*+\-.^_`|~\w]+)$/;

/**
 * The media type among `offered` that the header likes best, the first of equals; `undefined` where it accepts none. An absent or
 * empty header accepts all; a part that can't be read is passed over.
 */
export function negotiate<T extends string>(accept: string | undefined, offered: readonly T[]): T | undefined {
  if (accept === undefined || accept.trim() === '') return offered[0];
  const ranges = accept.split(',').flatMap((part): MediaRange[] => {
    const [name = '', ...parameters] = part.split(';').map((each) => each.trim());
    const match = RANGE.exec(name.toLowerCase());
    if (match === null) return [];
    const weight = parameters.find((each) => /^q=/i.test(each))?.slice(2);
    const q = weight === undefined ? 1 : /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(weight) ? Number(weight) : 0;
    return [{ type: match[1] as string, subtype: match[2] as string, q }];
  });
  let best: { type: T; q: number } | undefined;
  for (const type of offered) {
    const q = quality(type, ranges);
    if (q > 0 && (best === undefined || q > best.q)) best = { type, q };
  }
  return best?.type;
}

/** The weight that the most specific range that fits gives to a media type. */
function quality(mediaType: string, ranges: readonly MediaRange[]): number {
  const [type, subtype] = mediaType.split('/');
  let found = { specificity: -1, q: 0 };
  for (const range of ranges) {
    const specificity =
      range.type === type && range.subtype === subtype
        ? 2
        : range.type === type && range.subtype === '*'
          ? 1
          : range.type === '*' && range.subtype === '*'
            ? 0
            : -1;
    if (specificity > found.specificity) found = { specificity, q: range.q };
  }
  return found.q;
}
