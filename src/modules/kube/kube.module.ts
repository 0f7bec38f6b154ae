import {
  type DynamicModule,
  type FactoryProvider,
  Inject,
  Module,
  type ModuleMetadata,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { connect, type ConnectOptions } from './connect.js';
import { KubeClient } from './kube-client.js';

export type KubeModuleOptions = ConnectOptions;

export interface KubeModuleAsyncOptions {
  readonly imports?: ModuleMetadata['imports'];
  readonly inject?: FactoryProvider['inject'];
  /** Called with what `inject` names. */
  readonly useFactory: (...injected: never[]) => KubeModuleOptions | Promise<KubeModuleOptions>;
  /** Makes the client visible everywhere without importing this module again. */
  readonly global?: boolean;
}

const KUBE_MODULE_OPTIONS = Symbol('KUBE_MODULE_OPTIONS');

const CLIENT: FactoryProvider = {
  provide: KubeClient,
  inject: [KUBE_MODULE_OPTIONS],
  useFactory: (options: KubeModuleOptions) => connect(options),
};

/** Gives the application its one {@link KubeClient}, and ends its connections when everything else has stopped. */
@Module({})
export class KubeModule implements OnApplicationShutdown {
  readonly #client: KubeClient;

  constructor(@Inject(KubeClient) client: KubeClient) {
    this.#client = client;
  }

  static forRoot(options: KubeModuleOptions & { readonly global?: boolean } = {}): DynamicModule {
    const { global = true, ...connectOptions } = options;
    return KubeModule.forRootAsync({ useFactory: () => connectOptions, global });
  }

  static forRootAsync(options: KubeModuleAsyncOptions): DynamicModule {
    return {
      module: KubeModule,
      global: options.global ?? true,
      imports: options.imports ?? [],
      providers: [
        { provide: KUBE_MODULE_OPTIONS, inject: options.inject ?? [], useFactory: options.useFactory },
        CLIENT,
      ],
      exports: [KubeClient],
    };
  }

  onApplicationShutdown(): void {
    this.#client.close();
  }
}
