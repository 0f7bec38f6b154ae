/** The description lists what is served, and its examples are what the server answers to the example questions. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EXAMPLE_PODS, EXAMPLE_RESULTS, EXAMPLE_WORKLOADS } from '../../src/modules/api/answer-examples.js';
import { API_OPERATIONS } from '../../src/modules/api/operations.js';
import { EXAMPLE_FORMATS } from '../../src/modules/runs/run-examples.js';
import { MEDIA_TYPES } from '../../src/modules/runs/export/formats.js';
import { startApi } from '../support/api-app.js';
import type { ApiApp } from '../support/api-app.js';
import { openEventStream } from '../support/event-stream.js';
import { FilledRunsModule } from '../support/runs-module.js';
import { Contract } from './openapi-contract.js';

const contract = new Contract();
let api: ApiApp;

beforeAll(async () => {
  api = await startApi({ imports: [FilledRunsModule] });
  for (const state of EXAMPLE_RESULTS) api.model.index.put(state);
  for (const pod of EXAMPLE_PODS) api.model.pods.add(pod);
  api.model.owners = [...EXAMPLE_WORKLOADS];
  await api.app.listen(0, '127.0.0.1');
});
afterAll(async () => {
  await api.app.close();
});

/** The question that the examples of the parameters make. */
function exampleQuestion(path: string, over: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams();
  let target = path;
  for (const { name, in: where, example } of contract.description.paths[path]?.get.parameters ?? []) {
    const value = over[name] ?? (Array.isArray(example) ? example[0] : example);
    if (value === undefined) continue;
    if (where === 'path') target = target.replace(`{${name}}`, encodeURIComponent(String(value)));
    else query.set(name, String(value));
  }
  return `${target}?${query.toString()}`;
}

/** An answer without what depends on when, and by which process, it was given. */
function lasting(text: string): unknown {
  return JSON.parse(text, (key, value: unknown) => (/^(generatedAt|lastEventId)$/.test(key) ? undefined : value));
}

const finite = API_OPERATIONS.filter(({ id }) => id !== 'streamResults');
const examples = finite.flatMap(({ id, path, answers }) =>
  Object.keys(answers).map((mediaType) => [id, mediaType, path] as const),
);

describe('an example', () => {
  it.each(examples)('of %s as %s is what the server answers', async (id, mediaType, path) => {
    const example = contract.description.paths[path]?.get.responses['200']?.content?.[mediaType]?.example;
    expect(example).toBeDefined();
    const format = EXAMPLE_FORMATS.find((each) => MEDIA_TYPES[each] === mediaType) ?? '';
    const answer = await api.get(exampleQuestion(path, id === 'exportRun' ? { format } : {}), { accept: mediaType });
    expect(answer.status).toBe(200);
    if (mediaType === 'application/json') expect(lasting(answer.text)).toEqual(lasting(JSON.stringify(example)));
    else expect(answer.text).toBe(example);
    const shown = { status: 200, contentType: mediaType, body: JSON.stringify(example) };
    expect(contract.complaint(path, shown)).toBeUndefined();
  });

  it('of the stream is what a caller hears of a Pod that changes', async () => {
    const path = '/api/v1/stream';
    const example = String(
      contract.description.paths[path]?.get.responses['200']?.content?.['text/event-stream']?.example,
    );
    const stream = await openEventStream(`${await api.app.getUrl()}${exampleQuestion(path)}`);
    try {
      const [first] = EXAMPLE_RESULTS;
      if (first !== undefined) api.model.index.put({ ...first, restarts: 1 });
      if (first !== undefined) api.model.index.put(first);
      const { data } = await stream.next('results');
      expect(example.split('\n')).toContain(`data: ${data}`);
    } finally {
      stream.close();
    }
  });
});

it('each route of the API has its operation, and the other way round', async () => {
  for (const { path } of API_OPERATIONS) {
    const { statusCode } = await api.app.inject({ method: 'HEAD', url: exampleQuestion(path) });
    expect([path, statusCode]).toEqual([path, 200]);
  }
  const printed = api.app.getHttpAdapter().getInstance().printRoutes({ commonPrefix: false });
  const routes = printed.split('\n').filter((line) => line.includes('(GET'));
  const served = routes.filter((line) => !/docs|:file|openapi\.json|problems|:kind/.test(line)).length;
  expect(served).toBe(API_OPERATIONS.length);
});
