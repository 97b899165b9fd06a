// spec/revocations.md: an authority's signed list of revoked devices, and what lists say together.

import { bytesToHex } from '@noble/hashes/utils.js';
import { equal, field, need, readLP, text } from './encoding.js';
import { openEnvelope } from './envelope.js';
import { read, record } from './fields.js';
import { liesIn } from './identity.js';
import type { Document } from './document.js';

const MOST = 4096;
const LONGEST = 2 ** 19;

/** A device that may not act under a name for channels. */
export interface Revoked {
  name: string;
  /** 32 bytes */
  device: Uint8Array;
}

/** The list of one authority. Whether its sequence is higher than that of the one before, the caller looks, who keeps it. */
export interface Revocations {
  index: number;
  sequence: bigint;
  /** unix seconds, by the clock of the authority */
  time: bigint;
  entries: Revoked[];
}

function entry(p: Uint8Array): Revoked {
  const [name, device] = record(p, [read.name, field.bytes(32, 'device')], 'entry');
  return { name, device };
}

// Orders as the bytes of name, then of device, do.
const place = ({ name, device }: Revoked): string => `${bytesToHex(text(name))} ${bytesToHex(device)}`;

/**
 * Accepts a list.
 * @param d the document that is held
 * @param index of the authority that was asked
 */
export function openRevocations(d: Document, index: number, envelope: Uint8Array): Revocations {
  const from = d.authorities.find((a) => a.index === index);
  need(from, `revocations: there is no authority ${index}`);
  const body = openEnvelope(envelope, from.key, 'revocations');
  need(body.length <= LONGEST, `revocations: ${body.length} bytes`);
  const [domainID, generation, own, sequence, time, entries] = readLP(body, 'milagro/v1 revocations', [
    read.id('domainID'), read.generation, field.u32, field.u64, field.u64, field.list(entry),
  ]);
  need(equal(domainID, d.domainID) && equal(generation, d.generation), 'revocations: of another domain or generation');
  need(own === index, 'revocations: of another authority');
  need(entries.length <= MOST, `revocations: ${entries.length} entries`);
  const places = entries.map(place);
  places.forEach((p, i) => need(i === 0 || places[i - 1] < p, 'revocations: entries out of order, or one twice'));
  for (const { name } of entries) need(liesIn(name, d.domain), 'revocations: a name of another domain');
  return { index, sequence, time, entries };
}

/**
 * Whether n−t+1 of the lists that are held name a device.
 * @param lists at most one of each authority
 */
export function isRevoked(d: Document, lists: Revocations[], { name, device }: Revoked): boolean {
  const naming = new Set(lists.filter((l) => l.entries.some((e) => e.name === name && equal(e.device, device))).map((l) => l.index));
  return naming.size >= d.authorities.length - d.t + 1;
}
