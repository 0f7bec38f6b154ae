/**
 * Who may ask.
 * - `delegated`: whoever Kubernetes lets list DatapathResults, and whoever comes through `kubectl port-forward`
 * - `strict`: the former only
 * - `none`: everybody
 */
export type ApiAuth = 'delegated' | 'strict' | 'none';

/** The injection token of the mode. */
export const API_AUTH = Symbol('API_AUTH');
