// Every case of enrolment.json, from spec/enrolment.md: the client itself is tested with a login server.

import { readFileSync } from 'node:fs';
import { bytesToHex as hex, hexToBytes as unhex } from '@noble/hashes/utils.js';
import { field, H, lp, need, readLP } from '../dist/encoding.js';
import { openEnvelope } from '../dist/envelope.js';
import { read } from '../dist/fields.js';
import { runFile, same } from '../testing/vectors.js';

const WORDS = readFileSync(new URL('../../../internal/words/words.txt', import.meta.url), 'utf8').trim().split('\n');

function registration(c) {
  const body = openEnvelope(unhex(c.registration), unhex(c.key), 'registration');
  const [domainID, serviceID, index, name, device, time, expiry, nonce] = readLP(body, 'milagro/v1 registration', [
    read.id('domainID'), read.id('serviceID'), field.u32, read.name, read.device('device'), field.u64, field.u64, read.id('nonce'),
  ]);
  const now = BigInt(c.now);
  need(hex(domainID) === c.domainID && hex(serviceID) === c.serviceID && hex(device) === c.device && name === c.name, 'for another request');
  need(index === 1, 'for another authority');
  need(time <= now + 300n && expiry > time && expiry - time <= 86400n && now < expiry + 30n, 'not good now');
  same(String(time), c.time);
  same(String(expiry), c.expiry);
  same(nonce, c.nonce);
}

function evidence(c) {
  const [kind, data] = readLP(unhex(c.evidence), 'milagro/v1 evidence', [field.text(16, 'kind'), field.upTo(16384)]);
  need(kind === 'voucher', 'another kind');
  const [envelope, code] = readLP(data, 'milagro/v1 registered', [field.upTo(8192), field.text(8, 'code')]);
  need(/^([0-9]{8})?$/.test(code), 'no code');
  same(envelope, c.registration);
  same(code, c.code);
}

function invitation(c) {
  const found = /^(https?:\/\/[^/?#]+)\/enrol#([A-Za-z0-9_-]{43})$/.exec(c.link);
  need(found, 'no link');
  const token = Buffer.from(found[2], 'base64url');
  need(token.length === 32 && token.toString('base64url') === found[2], 'stray bits');
  same(found[1], c.origin);
  same(found[2], c.token);
  const hash = H(lp('milagro/v1 invitation', new Uint8Array(token)));
  same(hash, c.hash);
  same(H(lp('milagro/v1 enrol', hash, unhex(c.serviceID), unhex(c.spki))), c.digest);
}

const words = (c) => same([...unhex(c.device)].slice(0, 6).map((b) => WORDS[b]).join(' '), c.words);

const HANDLERS = { registration, evidence, invitation, words };
runFile('enrolment', (c, accept) => HANDLERS[c.what](c, accept));
