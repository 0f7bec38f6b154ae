import * as der from './der.js';

const hex = (buffer: Buffer): string => buffer.toString('hex');

describe('DER', () => {
  it('writes short and long lengths', () => {
    expect(hex(der.octetString(Buffer.alloc(0x7f)).subarray(0, 2))).toBe('047f');
    expect(hex(der.octetString(Buffer.alloc(0x80)).subarray(0, 3))).toBe('048180');
    expect(hex(der.octetString(Buffer.alloc(0x1234)).subarray(0, 4))).toBe('04821234');
  });

  it('keeps an integer positive and minimal', () => {
    expect(hex(der.integer(Buffer.from([0])))).toBe('020100');
    expect(hex(der.integer(Buffer.from([0, 0, 1])))).toBe('020101');
    expect(hex(der.integer(Buffer.from([0x80])))).toBe('02020080');
  });

  it('writes object identifiers with arcs of several bytes', () => {
    expect(hex(der.objectIdentifier('1.2.840.10045.4.3.2'))).toBe('06082a8648ce3d040302');
    expect(() => der.objectIdentifier('1.x')).toThrow(TypeError);
  });

  it('changes the form of a time in 2050', () => {
    expect(der.time(new Date('2049-12-31T23:59:59Z')).toString('latin1')).toBe('\x17\x0d491231235959Z');
    expect(der.time(new Date('2050-01-01T00:00:00Z')).toString('latin1')).toBe('\x18\x0f20500101000000Z');
  });
});
