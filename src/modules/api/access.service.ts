import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap } from '@nestjs/common';
import { createHash } from 'node:crypto';
import type { Clock } from '../kube/clock.js';
import { AccessReviewer } from './access-reviewer.js';
import type { AccessRequest, Caller } from './access-reviewer.js';
import { API_CLOCK } from './api-clock.js';
import { API_AUTH } from './api-auth.js';
import type { ApiAuth } from './api-auth.js';
import { cameThroughPortForward } from '../kube/port-forward.js';
import type { RequestOrigin } from '../kube/port-forward.js';
import { Problem } from './problem.js';
import { ReviewCache } from './review-cache.js';

/** Reviews under way at most: who sends tokens at random burdens the API server no further, and is told to come back. */
const MAX_UNDER_WAY = 50;
/** Reviews for one question at once: who names many namespaces leaves room for others, and isn't refused for their number. */
const REVIEWS_OF_ONE = 10;
/** Characters of a token; those of Kubernetes have about a thousand. */
const MAX_TOKEN = 8192;
const BEARER = /^bearer +([A-Za-z0-9\-._~+/]+=*) *$/i;

/** Decides who may ask. A refusal is a problem that says what is missing, never a guess. */
@Injectable()
export class AccessService implements OnApplicationBootstrap {
  readonly #logger = new Logger('Access');
  readonly #callers: ReviewCache<Caller | undefined>;
  readonly #verdicts: ReviewCache<boolean>;

  constructor(
    private readonly reviewer: AccessReviewer,
    @Inject(API_AUTH) private readonly mode: ApiAuth,
    @Inject(API_CLOCK) clock: Clock,
  ) {
    this.#callers = new ReviewCache(clock, (caller) => caller !== undefined);
    this.#verdicts = new ReviewCache(clock, (allowed) => allowed);
  }

  onApplicationBootstrap(): void {
    if (this.mode !== 'none') return;
    this.#logger.warn('API_AUTH is none: whoever reaches the port reads every result of every namespace');
  }

  /**
   * Who asks, or `undefined` for one who needs no token.
   *
   * @throws Problem 401 without a valid token, 503 where Kubernetes can't be asked
   */
  async identify(origin: RequestOrigin): Promise<Caller | undefined> {
    if (this.mode === 'none') return undefined;
    if (this.mode === 'delegated' && cameThroughPortForward(origin)) return undefined;
    const { authorization } = origin.headers;
    if (authorization === undefined) {
      throw unauthorized(
        'Send "Authorization: Bearer TOKEN", for example with the token of kubectl create token; ' +
          'through kubectl port-forward to localhost none is needed',
        'Bearer realm="datapath"',
      );
    }
    const token = typeof authorization === 'string' ? BEARER.exec(authorization)?.[1] : undefined;
    const caller =
      token === undefined || token.length > MAX_TOKEN
        ? undefined
        : await this.#ask(this.#callers, hash(token), () => this.reviewer.authenticate(token));
    if (caller === undefined) {
      throw unauthorized(
        'The token is not valid: it may have expired, or be meant for another audience',
        'Bearer realm="datapath", error="invalid_token"',
      );
    }
    return caller;
  }

  /**
   * Whether the caller may do each of these.
   *
   * @throws Problem 503 where Kubernetes can't be asked
   */
  async may(caller: Caller | undefined, requests: readonly AccessRequest[]): Promise<boolean> {
    if (caller === undefined) return true;
    const ask = (request: AccessRequest): Promise<boolean> =>
      this.#ask(this.#verdicts, hash(JSON.stringify([caller, request])), () =>
        this.reviewer.authorize(caller, request),
      );
    for (let i = 0; i < requests.length; i += REVIEWS_OF_ONE) {
      const verdicts = await Promise.all(requests.slice(i, i + REVIEWS_OF_ONE).map(ask));
      if (!verdicts.every(Boolean)) return false;
    }
    return true;
  }

  async #ask<T>(cache: ReviewCache<T>, key: string, ask: () => Promise<T>): Promise<T> {
    if (cache.underWay >= MAX_UNDER_WAY && !cache.knows(key)) {
      throw new Problem('too-many-requests', 'Too many callers are being checked', { headers: { 'retry-after': '1' } });
    }
    try {
      return await cache.get(key, ask);
    } catch (error) {
      this.#logger.warn({
        message: 'A caller could not be checked',
        error: error instanceof Error ? error.message : String(error),
      });
      throw new Problem('unavailable', 'Kubernetes cannot be asked who you are and what you may see', {
        headers: { 'retry-after': '5' },
        cause: error,
      });
    }
  }
}

function unauthorized(detail: string, challenge: string): Problem {
  return new Problem('unauthorized', detail, { headers: { 'www-authenticate': challenge } });
}

/** Keys are hashes, so that no token lies in the memory of this process longer than its request. */
function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
