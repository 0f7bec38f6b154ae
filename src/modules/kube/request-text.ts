import type { Credential } from './credentials.js';
import type { Exchange } from './http-exchange.js';
import { KubeApiError } from './kube-api-error.js';

/** Anything that would end a line or a word of a request's head. */
const UNSAFE_TARGET = /[^\x21-\x7e]/;
const UNSAFE_VALUE = /[^\t\x20-\x7e]/;

/** The part of the head that a credential decides, made once for each. */
const heads = new WeakMap<Credential, string>();

/**
 * A request of HTTP/1.1 as text: head and body.
 *
 * @throws KubeApiError with reason `InvalidRequest` when a path or a header holds what would make another request of it
 */
export function requestText(spec: Exchange, credential: Credential): string {
  const { method, target, accept, userAgent, body, contentType } = spec;
  if (UNSAFE_TARGET.test(target)) throw invalid('a path of the API has a blank or a character that is not ASCII');
  if (UNSAFE_VALUE.test(accept) || UNSAFE_VALUE.test(contentType) || UNSAFE_VALUE.test(userAgent)) {
    throw invalid('a header has a line break or a character that is not ASCII');
  }
  let head = heads.get(credential);
  if (head === undefined) {
    head = credentialHead(credential);
    heads.set(credential, head);
  }
  const start = `${method} ${pathPrefix(credential)}${target} HTTP/1.1\r\n${head}User-Agent: ${userAgent}\r\nAccept: ${accept}\r\n`;
  if (body === undefined) return `${start}\r\n`;
  return `${start}Content-Type: ${contentType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/** The path below which the API is served, without a slash at its end; most often none. */
export function pathPrefix({ server }: Credential): string {
  return server.pathname === '/' ? '' : server.pathname.replace(/\/$/, '');
}

function credentialHead({ server, headers }: Credential): string {
  let text = `Host: ${server.host}\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    if (UNSAFE_TARGET.test(name) || UNSAFE_VALUE.test(value)) {
      throw invalid(`the credential's header ${name} has a line break or a character that is not ASCII`);
    }
    text += `${name}: ${value}\r\n`;
  }
  return text;
}

function invalid(message: string): KubeApiError {
  return new KubeApiError({ code: 0, reason: 'InvalidRequest', message });
}
