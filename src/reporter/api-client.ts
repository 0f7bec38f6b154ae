/**
 * The reporter's only call of the API server: a merge patch of its own Pod's annotations. One connection, kept for the second write;
 * each call bounded in time; the outcome told apart by what to do next.
 */
import type { Files } from './files.js';
import { isRecord } from './json.js';
import { encodeRequest, HttpResponseParser } from './http-message.js';
import { readServiceAccount } from './identity.js';
import type { Identity, ServiceAccount } from './identity.js';
import { messageOf } from './log.js';
import type { Timers } from './clock.js';
import { isIpAddress } from './ip-address.js';
import type { Connect, Socket, SocketError } from './socket.js';
import type { Resolver } from './resolver.js';
import { bracket } from './target.js';

export type PatchResult =
  /** `pod` is the whole object where it was asked for. */
  | { readonly kind: 'written'; readonly pod: unknown }
  | { readonly kind: 'retry'; readonly message: string; readonly code: number; readonly afterMs: number | undefined }
  /** Trying again can't help: no right, no such Pod, or another Pod by now. */
  | { readonly kind: 'refused'; readonly message: string; readonly code: number };

export interface PodPatch {
  readonly annotations: Readonly<Record<string, string>>;
  /** Whether the answer shall hold the Pod's spec; else its metadata come back alone, which is cheaper for both sides. */
  readonly wantsPod: boolean;
}

export interface ApiOptions {
  readonly host: string;
  readonly port: number;
  readonly serviceAccountDir: string;
  readonly timeoutMs: number;
  readonly files: Files;
  readonly connect: Connect;
  readonly resolver: Resolver;
  readonly timers: Timers;
}

interface Exchange {
  readonly finish: (result: PatchResult) => void;
  readonly parser: HttpResponseParser;
}

export class ApiClient {
  private socket: Socket | undefined;
  private exchange: Exchange | undefined;
  private cancelLookup: () => void = () => undefined;

  constructor(private readonly options: ApiOptions) {}

  /** Never rejects. One call at a time. */
  patchPod(identity: Identity, patch: PodPatch): Promise<PatchResult> {
    const account = readServiceAccount(this.options.files, this.options.serviceAccountDir);
    const request = encodePatch(identity, patch, account, this.options);
    return new Promise((resolve) => {
      let settled = false;
      const finish = (result: PatchResult): void => {
        if (settled) return;
        settled = true;
        cancel();
        this.cancelLookup();
        this.exchange = undefined;
        if (result.kind === 'retry') this.close();
        resolve(result);
      };
      const cancel = this.options.timers.after(this.options.timeoutMs, () =>
        finish(retry(0, `no answer of the API server within ${this.options.timeoutMs} ms`)),
      );
      this.exchange = { finish, parser: new HttpResponseParser() };
      if (this.socket !== undefined) this.socket.write(request);
      else this.open(account, request);
    });
  }

  close(): void {
    this.socket?.destroy();
    this.socket = undefined;
  }

  private open(account: ServiceAccount, request: string): void {
    const { host, resolver } = this.options;
    if (isIpAddress(host)) {
      this.connect(host, account, request);
      return;
    }
    const { exchange } = this;
    this.cancelLookup = resolver.resolve(host, (result) => {
      const address = 'addresses' in result ? result.addresses[0] : undefined;
      if (address !== undefined) this.connect(address, account, request);
      else exchange?.finish(retry(0, 'message' in result ? result.message : `${host} has no address`));
    });
  }

  private connect(address: string, account: ServiceAccount, request: string): void {
    const { host, port, connect } = this.options;
    const socket = connect(
      address,
      port,
      { serverName: host, ca: account.ca, verify: true },
      {
        connected: () => undefined,
        secured: () => this.socket?.write(request),
        received: (chunk) => this.receive(chunk),
        closed: (error) => this.closed(error),
      },
    );
    this.socket = socket;
  }

  private receive(chunk: Uint8Array): void {
    const { exchange } = this;
    if (exchange === undefined) {
      // Bytes that nobody asked for: this connection can't be trusted with another request.
      this.close();
      return;
    }
    try {
      exchange.parser.push(chunk);
    } catch (error) {
      exchange.finish(retry(0, messageOf(error)));
      return;
    }
    if (exchange.parser.complete) this.complete(exchange);
  }

  private closed(error: SocketError | undefined): void {
    this.socket = undefined;
    const { exchange } = this;
    if (exchange === undefined) return;
    if (exchange.parser.end()) this.complete(exchange);
    else exchange.finish(retry(0, error?.message ?? 'the API server closed the connection without an answer'));
  }

  private complete(exchange: Exchange): void {
    if (!exchange.parser.reusable) this.close();
    exchange.finish(judge(exchange.parser));
  }
}

/** What an answer means. 401 is worth another try, since the token may just have been rotated; 409 means that somebody else wrote. */
export function judge(response: Pick<HttpResponseParser, 'head' | 'text'>): PatchResult {
  const code = response.head?.status ?? 0;
  if (code >= 200 && code < 300) return { kind: 'written', pod: parseJson(response.text()) };
  const body = parseJson(response.text());
  const message = isRecord(body) && typeof body['message'] === 'string' ? body['message'] : `status ${code}`;
  if (code === 401 || code === 408 || code === 409 || code === 429 || code >= 500) {
    const seconds = response.head?.headers.get('retry-after') ?? '';
    return { ...retry(code, message), afterMs: /^\d{1,4}$/.test(seconds) ? Number(seconds) * 1000 : undefined };
  }
  return { kind: 'refused', code, message };
}

function retry(code: number, message: string): PatchResult & { readonly kind: 'retry' } {
  return { kind: 'retry', code, message, afterMs: undefined };
}

function encodePatch(identity: Identity, patch: PodPatch, account: ServiceAccount, options: ApiOptions): string {
  const { name, namespace, uid } = identity;
  const accept = patch.wantsPod ? 'application/json' : 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
  return encodeRequest({
    method: 'PATCH',
    path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}?fieldManager=datapath-reporter`,
    headers: [
      ['Host', `${bracket(options.host)}:${options.port}`],
      ['User-Agent', 'datapath-reporter'],
      ['Accept', accept],
      ['Content-Type', 'application/merge-patch+json'],
      ['Authorization', `Bearer ${(account.token ?? '').replace(/[^\x21-\x7e]/g, '')}`],
    ],
    body: JSON.stringify({ metadata: { ...(uid === undefined ? {} : { uid }), annotations: patch.annotations } }),
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The status has said what matters.
    return undefined;
  }
}
