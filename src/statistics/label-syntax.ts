/**
 * What Kubernetes accepts as label keys and values: apimachinery's `IsQualifiedName` and `IsValidLabelValue`. Each check returns
 * what is wrong, in words, or `undefined`.
 */

const NAME = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;

const NAME_RULE = 'letters, digits, "-", "_" and ".", with a letter or digit at both ends';

export function checkLabelKey(key: string): string | undefined {
  const parts = key.split('/');
  if (parts.length > 2) return 'a label key has at most one "/"';
  const name = parts.at(-1) as string;
  if (parts.length === 2) {
    const prefix = parts[0] as string;
    if (prefix === '') return 'the prefix before "/" is empty';
    if (prefix.length > 253) return 'the prefix before "/" is longer than 253 characters';
    if (!SUBDOMAIN.test(prefix)) return 'the prefix before "/" must be a DNS subdomain in lower case';
  }
  if (name === '') return 'the name of the label is empty';
  if (name.length > 63) return 'the name of the label is longer than 63 characters';
  if (!NAME.test(name)) return `the name of a label has ${NAME_RULE}`;
  return undefined;
}

export function checkLabelValue(value: string): string | undefined {
  if (value === '') return undefined;
  if (value.length > 63) return 'a label value has at most 63 characters';
  if (!NAME.test(value)) return `a label value is empty or has ${NAME_RULE}`;
  return undefined;
}
