import { candidates, connectFirst } from './connect-first.js';
import type { Connect, SocketHandlers } from './socket.js';

const REFUSED = { code: 'ECONNREFUSED', message: 'refused' };

function start(): {
  events: string[];
  handlers: Map<string, SocketHandlers>;
  destroyed: string[];
  destroy: () => void;
} {
  const events: string[] = [];
  const handlers = new Map<string, SocketHandlers>();
  const destroyed: string[] = [];
  const connect: Connect = (address, _port, _tls, on) => {
    handlers.set(address, on);
    return { write: () => undefined, destroy: () => destroyed.push(address) };
  };
  const socket = connectFirst(connect, ['10.0.0.1', 'fd00::1'], 80, undefined, {
    connected: () => events.push('connected'),
    secured: () => events.push('secured'),
    received: () => events.push('received'),
    closed: (error) => events.push(`closed ${error?.code}`),
  });
  return { events, handlers, destroyed, destroy: () => socket.destroy() };
}

describe('connectFirst', () => {
  it('takes the first that connects and drops the other', () => {
    const { events, handlers, destroyed } = start();
    handlers.get('fd00::1')?.connected();
    expect([events, destroyed]).toEqual([['connected'], ['10.0.0.1']]);
  });

  it('bears one failure, not two', () => {
    const { events, handlers } = start();
    handlers.get('10.0.0.1')?.closed(REFUSED);
    expect(events).toEqual([]);
    handlers.get('fd00::1')?.closed({ code: 'ENETUNREACH', message: '' });
    expect(events).toEqual(['closed ECONNREFUSED']);
  });

  it('is ready by one family though the other failed first', () => {
    const { events, handlers } = start();
    handlers.get('10.0.0.1')?.closed(REFUSED);
    handlers.get('fd00::1')?.connected();
    handlers.get('fd00::1')?.closed(undefined);
    expect(events).toEqual(['connected', 'closed undefined']);
  });

  it('destroys both', () => {
    const { destroyed, destroy } = start();
    destroy();
    expect(destroyed).toEqual(['10.0.0.1', 'fd00::1']);
  });
});

describe('candidates', () => {
  it('are the first of each family', () => {
    expect(candidates(['10.0.0.1', '10.0.0.2', 'fd00::1', 'fd00::2'])).toEqual(['10.0.0.1', 'fd00::1']);
    expect(candidates(['fd00::1'])).toEqual(['fd00::1']);
  });
});
