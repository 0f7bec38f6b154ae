/** What a schema found wrong with the parameters of a call, as one problem document. */
import { Problem } from './problem.js';
import type { ParameterError } from './problem.js';

const MAX_ERRORS = 20;

/** One complaint of a schema (Standard Schema). */
interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

interface UnrecognizedKeys extends Issue {
  readonly code: 'unrecognized_keys';
  readonly keys: readonly string[];
}

export interface Checked {
  /** The names of the parameters that the call knows. */
  readonly allowed?: readonly string[];
  /** The name of the parameter, where one alone was checked. */
  readonly name?: string | undefined;
}

export function parameterProblem(issues: readonly Issue[], { allowed = [], name = '' }: Checked = {}): Problem {
  const errors: ParameterError[] = [];
  let unknown = false;
  for (const issue of issues) {
    if (isUnrecognized(issue)) {
      unknown = true;
      for (const parameter of issue.keys) {
        errors.push({
          parameter: shorten(parameter),
          detail: 'is not a parameter of this call',
          ...(allowed.length === 0 ? {} : { allowed: allowed.join(', ') }),
        });
      }
    } else {
      const segment = issue.path?.[0];
      const parameter = String(typeof segment === 'object' ? segment.key : (segment ?? name));
      errors.push({ parameter: shorten(parameter), detail: issue.message });
    }
  }
  const shown = errors.slice(0, MAX_ERRORS);
  const detail = shown.map((error) => `${error.parameter} ${error.detail}`).join('; ');
  return new Problem(unknown ? 'unknown-parameter' : 'invalid-parameter', detail, { errors: shown });
}

function isUnrecognized(issue: Issue): issue is UnrecognizedKeys {
  return 'code' in issue && issue.code === 'unrecognized_keys' && 'keys' in issue && Array.isArray(issue.keys);
}

function shorten(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}
