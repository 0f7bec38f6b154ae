import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { FaultProxy } from './fault-proxy.js';

/** A kubeconfig that reaches the API server of `KUBECONFIG` through a proxy that can fail. */
export interface ProxiedKubeconfig {
  readonly proxy: FaultProxy;
  readonly kubeconfig: string;
  close(): Promise<void>;
}

export async function proxiedKubeconfig(): Promise<ProxiedKubeconfig> {
  const config = new KubeConfig();
  config.loadFromDefault();
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error('the kubeconfig names no cluster');
  const target = new URL(cluster.server);
  const proxy = await FaultProxy.start({ host: target.hostname, port: Number(target.port) });
  const folder = await mkdtemp(join(tmpdir(), 'proxied-'));
  const kubeconfig = join(folder, 'kubeconfig');
  const text = readFileSync(process.env['KUBECONFIG'] ?? '', 'utf8');
  await writeFile(kubeconfig, text.replaceAll(cluster.server, proxy.url));
  return {
    proxy,
    kubeconfig,
    close: async () => {
      await proxy.close();
      await rm(folder, { recursive: true });
    },
  };
}
