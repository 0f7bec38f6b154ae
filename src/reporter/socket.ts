/** The seam between the reporter and a runtime's sockets: one function to connect. Everything above it is the same on Node and Bun. */

export interface SocketError {
  /** The system's code where there is one, such as `ECONNREFUSED`. */
  readonly code: string | undefined;
  readonly message: string;
}

export interface TlsSettings {
  /** Sent as SNI and looked for in the certificate; an IP address is looked for, but not sent. */
  readonly serverName: string;
  /** PEM of the authorities to trust; the runtime's own list where absent. */
  readonly ca: string | undefined;
  readonly verify: boolean;
}

/** What happens to a connection, in this order. After `closed` nothing more comes; it comes exactly once, except after `destroy`. */
export interface SocketHandlers {
  /** TCP stands. */
  connected(): void;
  /** The TLS session stands and the certificate is right; only with TLS. */
  secured(): void;
  received(chunk: Uint8Array): void;
  /** The peer closed (`undefined`), or the connection failed. */
  closed(error: SocketError | undefined): void;
}

export interface Socket {
  write(text: string): void;
  /** Ends it at once, without a word: no handler is called afterwards. */
  destroy(): void;
}

/**
 * Opens a connection to an IP address. No handler is called before this returns.
 *
 * @param tls absent for plain TCP
 */
export type Connect = (address: string, port: number, tls: TlsSettings | undefined, handlers: SocketHandlers) => Socket;

/**
 * Accepts connections and answers the first bytes of each with `answer`.
 *
 * @param host an IP address; empty for all addresses
 * @param failed the address can't be used, and why
 */
export type Listen = (host: string, port: number, answer: string, failed: (message: string) => void) => void;
