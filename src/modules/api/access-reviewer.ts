/** Who a token belongs to and what that caller may do: asked of Kubernetes. */
import type { KubeClient } from '../kube/kube-client.js';

export interface Caller {
  readonly username: string;
  readonly uid?: string;
  readonly groups?: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** What a caller wants to do. */
export type AccessRequest =
  | { readonly group: string; readonly resource: string; readonly verb: string; readonly namespace?: string }
  | { readonly path: string; readonly verb: string };

export abstract class AccessReviewer {
  /** Who the token belongs to, or `undefined` for a token that isn't valid here. Rejects when that can't be found out. */
  abstract authenticate(token: string): Promise<Caller | undefined>;

  /** Whether the caller may. Rejects when that can't be found out. */
  abstract authorize(caller: Caller, request: AccessRequest): Promise<boolean>;
}

interface TokenReview {
  readonly status?: { readonly authenticated?: boolean; readonly user?: Partial<Caller>; readonly error?: string };
}

interface SubjectAccessReview {
  readonly status?: { readonly allowed?: boolean; readonly denied?: boolean };
}

/** Milliseconds for one review. */
const TIMEOUT_MS = 5000;

/**
 * Asks by TokenReview and SubjectAccessReview. No audience is named, so that a token counts only if it is meant for the API server
 * itself: one that was made for another service is not accepted here.
 */
export class KubeAccessReviewer extends AccessReviewer {
  constructor(private readonly client: KubeClient) {
    super();
  }

  async authenticate(token: string): Promise<Caller | undefined> {
    const review = await this.client.request<TokenReview>({
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/tokenreviews',
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } },
      timeoutMs: TIMEOUT_MS,
    });
    const user = review.status?.user;
    if (review.status?.authenticated !== true || user?.username === undefined) return undefined;
    return { ...user, username: user.username };
  }

  async authorize({ username, uid, groups, extra }: Caller, request: AccessRequest): Promise<boolean> {
    const review = await this.client.request<SubjectAccessReview>({
      method: 'POST',
      path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
      body: {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: {
          user: username,
          ...(uid === undefined ? {} : { uid }),
          ...(groups === undefined ? {} : { groups }),
          ...(extra === undefined ? {} : { extra }),
          ...('path' in request ? { nonResourceAttributes: request } : { resourceAttributes: request }),
        },
      },
      timeoutMs: TIMEOUT_MS,
    });
    return review.status?.allowed === true && review.status.denied !== true;
  }
}
