/** The version of this program, from the package that it is in. */
import { createRequire } from 'node:module';

export const { version: VERSION } = createRequire(import.meta.url)('../package.json') as { readonly version: string };
