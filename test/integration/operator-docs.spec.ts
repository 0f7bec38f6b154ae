import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DOCS = readFileSync(join(ROOT, 'docs/operator.md'), 'utf8');

const specs = ['src/modules/operator', 'src/modules/kube', 'test/integration', 'test/faults']
  .flatMap((folder) => readdirSync(join(ROOT, folder)).map((file) => join(ROOT, folder, file)))
  .filter((file) => file.endsWith('.spec.ts'))
  .map((file) => readFileSync(file, 'utf8').replaceAll('\\', ''))
  .join('\n');

/** The settings that an interface declares. */
function settingsOf(file: string, name: string): string[] {
  const text = readFileSync(join(ROOT, 'src/modules/operator', file), 'utf8');
  const body = new RegExp(`interface ${name}[^{]*\\{([\\s\\S]*?)\\n\\}`).exec(text)?.[1] ?? '';
  return Array.from(body.matchAll(/^ {2}readonly (\w+)\??:/gm), (match) => match[1] ?? '');
}

describe('docs/operator.md', () => {
  it('names only tests that exist', () => {
    const section = DOCS.slice(DOCS.indexOf('## Guarantees'), DOCS.indexOf('## The base class'));
    const titles = Array.from(section.matchAll(/(?<!\w)_([^_\n]{15,})_(?!\w)/g), (match) => match[1] ?? '');
    expect(titles.length).toBeGreaterThan(60);
    expect(titles.filter((title) => !specs.includes(title.replace(/ …$/, '')))).toEqual([]);
  });

  it('explains every setting', () => {
    const settings = [
      ...settingsOf('operator-options.ts', 'OperatorOptions'),
      ...settingsOf('operator-options.ts', 'Selection'),
      ...settingsOf('engine-context.ts', 'EngineOptions'),
      ...settingsOf('operator.module.ts', 'OperatorModuleOptions'),
      ...settingsOf('work-queue.ts', 'WorkQueueSettings'),
      ...settingsOf('handler-settings.ts', 'HandlerSettings'),
      ...settingsOf('handler-settings.ts', 'TimerSettings'),
      ...settingsOf('handler-settings.ts', 'CauseFilter'),
    ];
    expect(settings.length).toBeGreaterThan(30);
    expect(settings.filter((setting) => !new RegExp(`\\b${setting}\\b`).test(DOCS))).toEqual([]);
  });
});
