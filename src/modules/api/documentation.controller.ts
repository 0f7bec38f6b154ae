import { Controller, Get, Header, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openApiText } from './openapi.js';
import { PROBLEMS, Problem } from './problem.js';
import type { ProblemName } from './problem.js';

/** Files of the viewer that are given away; no other name reaches the file system. */
const VIEWER_FILES: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};

/** The viewer sets styles on its elements; nothing but this server is ever asked. */
const VIEWER_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Pod Datapath Readiness: API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="viewer"></div>
<noscript><p>The description of the API is at <a href="/openapi.json">/openapi.json</a>.</p></noscript>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const START = `window.ui = SwaggerUIBundle({ url: '/openapi.json', dom_id: '#viewer', deepLinking: true, validatorUrl: null });
`;

/** Beside the program, where it was packed into one file; else in its package. */
function viewerFolder(): string {
  const packed = fileURLToPath(new URL('./viewer', import.meta.url));
  return existsSync(packed) ? packed : dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
}

/** The description of the API, for programs and for people. It tells nothing of the cluster, so nobody is asked who they are. */
@Controller()
export class DocumentationController {
  readonly #files = new Map<string, Promise<Buffer>>();
  #document: string | undefined;

  @Get('openapi.json')
  @Header('content-type', 'application/json; charset=utf-8')
  @Header('cache-control', 'no-cache')
  document(): string {
    this.#document ??= openApiText();
    return this.#document;
  }

  @Get('docs')
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('content-security-policy', VIEWER_POLICY)
  viewer(): string {
    return PAGE;
  }

  @Get('docs/:file')
  async file(@Param('file') file: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<Buffer | string> {
    if (file === 'start.js') {
      void reply.type('text/javascript; charset=utf-8');
      return START;
    }
    const type = Object.hasOwn(VIEWER_FILES, file) ? VIEWER_FILES[file] : undefined;
    if (type === undefined) throw new Problem('not-found', 'The documentation has no such file');
    const content = await this.#read(file);
    void reply.type(type).header('cache-control', 'max-age=3600');
    return content;
  }

  /** Every problem names a page that says what it is. */
  @Get('problems/:kind')
  @Header('content-type', 'text/plain; charset=utf-8')
  problem(@Param('kind') kind: string): string {
    if (!Object.hasOwn(PROBLEMS, kind)) throw new Problem('not-found', 'There is no such kind of problem');
    const { status, title } = PROBLEMS[kind as ProblemName];
    return `${kind}\n\n${title}. The status is ${String(status)}; the "detail" of the problem says more.\n`;
  }

  #read(file: string): Promise<Buffer> {
    const known = this.#files.get(file);
    if (known !== undefined) return known;
    const read = readFile(join(viewerFolder(), file));
    this.#files.set(file, read);
    return read;
  }
}
