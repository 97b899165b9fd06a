// The parts of an X.509 certificate (RFC 5280) that spec/idtls.md speaks of, from strict DER.

import { bytes, need, toBigInt } from './encoding.js';

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const OBJECT_IDENTIFIER = 0x06;
const BOOLEAN = 0x01;
const OCTET_STRING = 0x04;
const BIT_STRING = 0x03;

interface Element {
  tag: number;
  content: Uint8Array;
  whole: Uint8Array;
}

// A reader of the elements in some bytes, one after another.
class Elements {
  at = 0;

  constructor(readonly b: Uint8Array) {}

  get more() {
    return this.at < this.b.length;
  }

  tag() {
    return this.more ? this.b[this.at] : -1;
  }

  // Reads an element: its content, and all of it.
  any(): Element {
    const { b, at } = this;
    need(b.length - at >= 2, 'DER: truncated');
    need((b[at] & 31) !== 31, 'DER: a tag of several bytes');
    let [head, n] = [2, b[at + 1]];
    if (n >= 128) {
      const width = n - 128;
      need(width >= 1 && width <= 3 && b.length - at >= 2 + width, 'DER: length');
      n = Number(toBigInt(b.subarray(at + 2, at + 2 + width)));
      need(n >= 128 && n >= 2 ** (8 * (width - 1)), 'DER: length is not minimal');
      head += width;
    }
    need(b.length - at >= head + n, 'DER: truncated');
    this.at = at + head + n;
    return { tag: b[at], content: b.slice(at + head, this.at), whole: b.slice(at, this.at) };
  }

  read(tag: number, what: string): Element {
    need(this.tag() === tag, `certificate: no ${what}`);
    return this.any();
  }

  end(what: string): void {
    need(!this.more, `certificate: something follows ${what}`);
  }
}

const inside = (element: Element): Elements => new Elements(element.content);

// Reads a UTCTime or a GeneralizedTime into unix seconds.
function readTime(elements: Elements): bigint {
  const { tag, content } = elements.any();
  const digits = String.fromCharCode(...content);
  need((tag === 0x17 && /^\d{12}Z$/.test(digits)) || (tag === 0x18 && /^\d{14}Z$/.test(digits)), 'certificate: time');
  const century = tag === 0x18 ? '' : digits < '50' ? '20' : '19';
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(century + digits) ?? [];
  const date = new Date(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
  need(!Number.isNaN(date.getTime()) && date.getUTCDate() === Number(d), 'certificate: no such time');
  return BigInt(date.getTime() / 1000);
}

export interface Certificate {
  version: number;
  /** content of the Name */
  issuer: Uint8Array;
  /** content of the Name */
  subject: Uint8Array;
  /** unix seconds */
  notBefore: bigint;
  notAfter: bigint;
  /** whole SubjectPublicKeyInfo */
  spki: Uint8Array;
  /** content of Extensions */
  extensions: Uint8Array | null;
}

/** Reads a certificate. Its signature and serial number are skipped. */
export function readCertificate(der: Uint8Array): Certificate {
  const file = new Elements(bytes(der, 'certificate'));
  const outer = inside(file.read(SEQUENCE, 'sequence'));
  file.end('it');
  const t = inside(outer.read(SEQUENCE, 'tbsCertificate'));
  outer.read(SEQUENCE, 'signature algorithm');
  outer.read(BIT_STRING, 'signature');
  outer.end('the signature');
  let version = 1;
  if (t.tag() === 0xa0) version += Number(toBigInt(inside(t.any()).read(INTEGER, 'version').content));
  t.read(INTEGER, 'serial number');
  t.read(SEQUENCE, 'signature algorithm');
  const issuer = t.read(SEQUENCE, 'issuer').content;
  const validity = inside(t.read(SEQUENCE, 'validity'));
  const [notBefore, notAfter] = [readTime(validity), readTime(validity)];
  validity.end('the validity');
  const subject = t.read(SEQUENCE, 'subject').content;
  const spki = t.read(SEQUENCE, 'key').whole;
  for (const unique of [0x81, 0x82]) if (t.tag() === unique) t.any();
  let extensions: Uint8Array | null = null;
  if (t.tag() === 0xa3) {
    const wrapped = inside(t.any());
    extensions = wrapped.read(SEQUENCE, 'extensions').content;
    wrapped.end('the extensions');
  }
  t.end('its fields');
  return { version, issuer, subject, notBefore, notAfter, spki, extensions };
}

/** An extension of a certificate. */
export interface Extension {
  /** the DER content, in hexadecimal */
  id: string;
  critical: boolean;
  content: Uint8Array;
}

/** @returns its extensions, none twice */
export function extensionsOf({ extensions }: Certificate): Extension[] {
  const out: Extension[] = [];
  for (const all = new Elements(extensions ?? new Uint8Array(0)); all.more; ) {
    const e = inside(all.read(SEQUENCE, 'extension'));
    const id = Array.from(e.read(OBJECT_IDENTIFIER, 'identifier').content, (x) => x.toString(16).padStart(2, '0')).join('');
    let critical = false;
    if (e.tag() === BOOLEAN) {
      const { content } = e.any();
      need(content.length === 1 && content[0] === 255, 'certificate: critical is not TRUE');
      critical = true;
    }
    const { content } = e.read(OCTET_STRING, 'value');
    e.end('the extension');
    need(!out.some((x) => x.id === id), `certificate: extension ${id} twice`);
    out.push({ id, critical, content });
  }
  return out;
}
