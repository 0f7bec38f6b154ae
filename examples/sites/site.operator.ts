import { Inject, Injectable } from '@nestjs/common';
import { isNotFound } from '../../src/modules/kube/kube-api-error.js';
import { KubeClient } from '../../src/modules/kube/kube-client.js';
import {
  type HandlerContext,
  OnCreate,
  OnDelete,
  OnTimer,
  OnUpdate,
  Operator,
} from '../../src/modules/operator/index.js';
import { CONFIG_MAPS, configMapOf, type Site, SITES } from './site.js';

/** Keeps a ConfigMap in step with each Site. The ConfigMap lies in a namespace of its own, so no owner reference can remove it: a finalizer does. */
@Operator({ name: 'sites', resource: SITES, access: [{ resource: CONFIG_MAPS, verbs: ['create', 'patch', 'delete'] }] })
@Injectable()
export class SiteOperator {
  constructor(@Inject(KubeClient) private readonly client: KubeClient) {}

  @OnCreate()
  @OnUpdate()
  async publish(site: Site, { signal, setStatus, setCondition, recordEvent }: HandlerContext): Promise<void> {
    const wanted = configMapOf(site);
    await this.client.patch(CONFIG_MAPS, wanted.metadata, wanted, {
      kind: 'apply',
      fieldManager: 'sites',
      force: true,
      signal,
    });
    setStatus({ configMap: `${wanted.metadata.namespace}/${wanted.metadata.name}` });
    setCondition({ type: 'Ready', status: 'True', reason: 'Published', message: 'The ConfigMap is in step' });
    recordEvent({ type: 'Normal', reason: 'Published', message: `The ConfigMap says "${site.spec.text}"` });
  }

  /** Mends what others changed. Applying what is there already writes nothing. */
  @OnTimer({ intervalMs: 2_000 })
  async mend(site: Site, context: HandlerContext): Promise<void> {
    await this.publish(site, context);
  }

  @OnDelete()
  async withdraw(site: Site, { signal }: HandlerContext): Promise<void> {
    try {
      await this.client.delete(CONFIG_MAPS, configMapOf(site).metadata, {}, { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}
