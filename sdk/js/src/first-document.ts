// spec/document.md "Making one": the first document of a domain, which follows from its plan and certificate.

import { list, lp, need, text, u32, u64, u8 } from './encoding.js';
import { loadCertificate } from './dealing.js';
import { decodeDocument } from './document.js';
import type { Card, Plan } from './plan.js';

const ABSENT = new Uint8Array(0);
const SUITE = 1;

const authority = (c: Card, at: number, Y: Uint8Array): Uint8Array =>
  list(u32(at + 1), text(c.name), text(c.url), c.key, c.hpke, Y);

/**
 * @param plan of kind public
 * @returns the document, of revision 1, not yet signed
 */
export function firstDocument(plan: Plan, certificate: Uint8Array): Uint8Array {
  need(plan.kind === 'public', 'plan: of a service, not of a domain');
  const { master, shares, generation } = loadCertificate(plan, certificate);
  const b = lp(
    'milagro/v1 domain document', text(plan.domain), master, u64(1), ABSENT, u32(plan.t), generation,
    list(...plan.cards.map((c, i) => authority(c, i, shares[i]))),
    list(...plan.schedules.map((s) => list(text(s.purpose), u32(s.length), u32(0), u64(0)))), u8(SUITE), list(),
    list(...plan.flags.map((f) => text(f))),
  );
  decodeDocument(b);
  return b;
}
