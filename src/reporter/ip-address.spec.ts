import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { isIpv4, isIpv6 } from './ip-address.js';

describe('isIpv4 and isIpv6', () => {
  it.each([
    '10.0.0.1',
    '0.0.0.0',
    '255.255.255.255',
    '::',
    '::1',
    'fd00::1',
    'fe80::1%eth0',
    '1:2:3:4:5:6:7:8',
    '::ffff:10.0.0.1',
  ])('take %s as an address', (text) => {
    expect(isIpv4(text) || isIpv6(text)).toBe(true);
  });

  it.each([
    '',
    '10.0.0',
    '10.0.0.256',
    '010.0.0.1',
    '1.2.3.4.5',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    'g::1',
    'fe80::1%',
    'web',
  ])('do not take %p as an address', (text) => {
    expect(isIpv4(text) || isIpv6(text)).toBe(false);
  });

  it('agree with Node on everything that looks like an address', () => {
    const piece = fc.constantFrom('0', '1', '9', '25', '256', '00', 'f', 'ffff', 'fffff', '.', ':', '::', '1.2.3.4');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        const text = pieces.join('');
        expect([isIpv4(text), isIpv6(text)]).toEqual([isIPv4(text), isIPv6(text)]);
      }),
      { numRuns: 3000 },
    );
  });
});
