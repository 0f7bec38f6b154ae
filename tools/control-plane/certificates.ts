/**
 * A certificate authority that lives as long as one control plane: P-256 keys, SHA-256 signatures, exactly what
 * kube-apiserver and its clients ask for, and no more. Nothing here is meant to outlive a test.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
} from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import * as der from './der.js';

/** A certificate and its key, both PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** What a certificate says of its holder. Kubernetes reads the common name as the user and organizations as groups. */
export interface Subject {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  /** DNS names and IP addresses under which a server is reached. */
  readonly hosts?: readonly string[];
}

const oid = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

const dayMs = 86_400_000;

/** Signs certificates for the servers and users of one control plane. */
export class CertificateAuthority {
  readonly certificate: string;
  readonly key: string;
  readonly #privateKey: KeyObject;
  readonly #name: Buffer;
  readonly #keyIdentifier: Buffer;
  readonly #now: () => Date;

  /**
   * @param existing the authority's own certificate and key, when it was made before under the same name.
   * @param now the clock: certificates are valid from an hour before it to a year after it.
   */
  constructor(commonName: string, existing?: KeyPair, now: () => Date = () => new Date()) {
    this.#privateKey =
      existing === undefined
        ? generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey
        : createPrivateKey(existing.key);
    const publicKey = createPublicKey(this.#privateKey);
    this.#now = now;
    this.#name = distinguishedName({ commonName });
    this.#keyIdentifier = keyIdentifierOf(publicKey);
    this.key = pemKey(this.#privateKey);
    this.certificate = existing?.certificate ?? this.#selfSigned(publicKey);
  }

  /** A certificate good for both ends of a TLS connection. @throws TypeError on a host that is no address or name. */
  issue(subject: Subject): KeyPair {
    const pair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const extensions = [
      extension(oid.basicConstraints, true, der.sequence()),
      // digitalSignature: bit 0.
      extension(oid.keyUsage, true, der.bitString(Buffer.from([0b1000_0000]), 7)),
      extension(
        oid.extendedKeyUsage,
        false,
        der.sequence(der.objectIdentifier(oid.serverAuth), der.objectIdentifier(oid.clientAuth)),
      ),
      extension(oid.subjectKeyIdentifier, false, der.octetString(keyIdentifierOf(pair.publicKey))),
      extension(oid.authorityKeyIdentifier, false, der.sequence(der.implicit(0, this.#keyIdentifier))),
    ];
    const hosts = subject.hosts ?? [];
    if (hosts.length > 0)
      extensions.push(extension(oid.subjectAltName, false, der.sequence(...hosts.map(generalName))));
    return {
      certificate: this.#sign(distinguishedName(subject), pair.publicKey, extensions),
      key: pemKey(pair.privateKey),
    };
  }

  #selfSigned(publicKey: KeyObject): string {
    return this.#sign(this.#name, publicKey, [
      extension(oid.basicConstraints, true, der.sequence(der.truth(true))),
      // keyCertSign and cRLSign: bits 5 and 6.
      extension(oid.keyUsage, true, der.bitString(Buffer.from([0b0000_0110]), 1)),
      extension(oid.subjectKeyIdentifier, false, der.octetString(this.#keyIdentifier)),
    ]);
  }

  #sign(subject: Buffer, publicKey: KeyObject, extensions: readonly Buffer[]): string {
    const now = this.#now().getTime();
    const algorithm = der.sequence(der.objectIdentifier(oid.ecdsaWithSha256));
    const toBeSigned = der.sequence(
      der.explicit(0, der.integer(Buffer.from([2]))),
      der.integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
      algorithm,
      this.#name,
      der.sequence(der.time(new Date(now - dayMs / 24)), der.time(new Date(now + 365 * dayMs))),
      subject,
      publicKey.export({ type: 'spki', format: 'der' }),
      der.explicit(3, der.sequence(...extensions)),
    );
    const signature = sign('sha256', toBeSigned, this.#privateKey);
    return pem('CERTIFICATE', der.sequence(toBeSigned, algorithm, der.bitString(signature)));
  }
}

/** The pair of keys with which service-account tokens are signed and checked, both PEM. */
export function serviceAccountKeys(): { readonly privateKey: string; readonly publicKey: string } {
  const pair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return {
    privateKey: pemKey(pair.privateKey),
    publicKey: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

function distinguishedName(subject: Subject): Buffer {
  const attribute = (type: string, value: string): Buffer =>
    der.setOf(der.sequence(der.objectIdentifier(type), der.utf8String(value)));
  return der.sequence(
    ...(subject.organizations ?? []).map((organization) => attribute(oid.organization, organization)),
    attribute(oid.commonName, subject.commonName),
  );
}

function generalName(host: string): Buffer {
  if (isIPv4(host)) return der.implicit(7, Buffer.from(host.split('.').map(Number)));
  if (isIPv6(host)) return der.implicit(7, ipv6Bytes(host));
  if (!/^[A-Za-z0-9*]([A-Za-z0-9.-]{0,252})$/.test(host)) {
    throw new TypeError(`host ${JSON.stringify(host)} is neither an IP address nor a DNS name`);
  }
  return der.implicit(2, Buffer.from(host, 'ascii'));
}

function ipv6Bytes(address: string): Buffer {
  const [head = '', tail] = address.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return der.sequence(der.objectIdentifier(id), ...(critical ? [der.truth(true)] : []), der.octetString(value));
}

function keyIdentifierOf(publicKey: KeyObject): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
}

function pemKey(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function pem(label: string, content: Buffer): string {
  const lines = content.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
