/** The documentation page in a real browser, with no other machine to ask. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { API_OPERATIONS } from '../../src/modules/api/operations.js';
import { startApi } from '../support/api-app.js';
import { browse, hasBrowser } from '../support/browser.js';

const describeWithBrowser = hasBrowser ? describe : describe.skip;

describeWithBrowser('the documentation page', () => {
  it('shows every call without the internet', async () => {
    const api = await startApi();
    const profile = mkdtempSync(join(tmpdir(), 'datapath-docs-'));
    try {
      await api.app.listen(0, '127.0.0.1');
      const page = browse(
        `${await api.app.getUrl()}/docs`,
        profile,
        ['--dump-dom', '--virtual-time-budget=20000', '--timeout=60000'],
        ['ignore', 'pipe', 'ignore'],
      );
      let dom = '';
      page.stdout?.on('data', (chunk: Buffer) => (dom += chunk.toString()));
      await new Promise((resolve) => page.once('close', resolve));
      for (const { path, summary } of API_OPERATIONS) {
        expect(dom).toContain(`data-path="${path}"`);
        expect(dom).toContain(summary);
      }
    } finally {
      await api.app.close();
      rmSync(profile, { recursive: true, force: true });
    }
  });
});
