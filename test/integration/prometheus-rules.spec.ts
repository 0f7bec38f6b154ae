/** The recording and alert rules, tested by promtool (Debian's package "prometheus"). */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';

const FOLDER = fileURLToPath(new URL('../../config/prometheus', import.meta.url));
const RUNBOOKS = fileURLToPath(new URL('../../docs/runbooks.md', import.meta.url));
const PROMTOOL_TIMEOUT_MS = 30_000;

interface Rule {
  readonly alert?: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface PrometheusRule {
  readonly spec: { readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[] };
}

const hasPromtool = spawnSync('promtool', ['--version']).error === undefined;
const describeWithPromtool = hasPromtool ? describe : describe.skip;

const { spec } = parse(readFileSync(join(FOLDER, 'rules.yaml'), 'utf8')) as PrometheusRule;
const alerts = spec.groups.flatMap(({ rules }) => rules).filter(({ alert }) => alert !== undefined);

describe('the alerts', () => {
  it.each(alerts.map((rule) => [rule.alert, rule] as const))(
    '%s say how long, how bad, what, and where to read on',
    (alert, rule) => {
      expect(rule.for).toMatch(/^\d+m$/);
      expect(rule.labels?.['severity']).toMatch(/^(warning|critical)$/);
      for (const key of ['summary', 'description', 'runbook']) expect(rule.annotations?.[key]).toBeTruthy();
      const [file, anchor] = rule.annotations?.['runbook']?.split('#') ?? [];
      expect([alert, file]).toEqual([alert, 'docs/runbooks.md']);
      expect(anchorsOf(readFileSync(RUNBOOKS, 'utf8'))).toContain(anchor);
    },
  );

  it('are each covered by a unit test', () => {
    const tests = readFileSync(join(FOLDER, 'rules-test.yaml'), 'utf8');
    for (const { alert } of alerts) expect(tests).toContain(`alertname: ${alert ?? ''}\n`);
  });
});

describeWithPromtool('the rules, before promtool', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'datapath-rules-'));
    writeFileSync(join(folder, 'rules.yaml'), stringify(spec));
    copyFileSync(join(FOLDER, 'rules-test.yaml'), join(folder, 'rules-test.yaml'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([
    ['are valid', ['check', 'rules', 'rules.yaml']],
    ['do what their tests expect', ['test', 'rules', 'rules-test.yaml']],
  ])('%s', (_, args) => {
    const { status, stdout, stderr } = spawnSync('promtool', args, {
      cwd: folder,
      encoding: 'utf8',
      timeout: PROMTOOL_TIMEOUT_MS,
    });
    expect({ status, output: status === 0 ? '' : stdout + stderr }).toEqual({ status: 0, output: '' });
  });
});

/** The anchors that a renderer makes of headings. */
function anchorsOf(markdown: string): readonly string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}
