import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identityOf } from './process-identity.js';
import { createStateFolder, disownStateFolder, folderOf, listStates, writeState, type State } from './state-folder.js';

describe('state folder', () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'states-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const state = (folder: string, supervisor: State['supervisor']): State => ({
    name: 'one',
    folder,
    profile: 'control-plane',
    kubernetesVersion: 'v1',
    server: 'https://127.0.0.1:1',
    etcd: 'http://127.0.0.1:2',
    kubeconfig: 'k',
    kubectl: 'kubectl',
    logs: 'logs',
    supervisor,
    startedAt: '2026-01-01T00:00:00Z',
  });

  it.each(['', 'A', '-a', 'a/b', '..', 'x'.repeat(41)])('refuses %j as a name', (name) => {
    expect(() => createStateFolder(name, root)).toThrow('must be 1 to 40 of');
  });

  it('gives a name once while its control plane starts or runs', () => {
    const folder = createStateFolder('one', root);
    expect(() => createStateFolder('one', root)).toThrow('is already there');
    const self = identityOf(process.pid);
    if (self === undefined) throw new Error('no identity');
    writeState(state(folder, self));
    expect(() => createStateFolder('one', root)).toThrow('is already there');
    expect(listStates(root).map(({ name }) => name)).toEqual(['one']);
  });

  it('gives the name of one that has ended without cleaning up', () => {
    const folder = createStateFolder('one', root);
    writeState(state(folder, { pid: process.pid, startTime: '1' }));
    writeFileSync(join(folder, 'left'), '');
    createStateFolder('one', root);
    expect(existsSync(join(folder, 'left'))).toBe(false);
  });

  it('refuses the name while a recorded process still runs without its supervisor', () => {
    const folder = createStateFolder('one', root);
    writeState(state(folder, { pid: process.pid, startTime: '1' }));
    writeFileSync(join(folder, 'processes.json'), JSON.stringify([identityOf(process.pid)]));
    expect(() => createStateFolder('one', root)).toThrow('is already there');
  });

  it('gives the name of a start that failed', () => {
    disownStateFolder(createStateFolder('one', root));
    expect(createStateFolder('one', root)).toBe(folderOf('one', root));
  });

  it('knows none where there is no folder', () => {
    expect(listStates(join(root, 'absent'))).toEqual([]);
  });
});
