// Every case of enrolment.json; the client itself is tested with a login server.

import { readFileSync } from 'node:fs';
import { hexToBytes as unhex } from '@noble/hashes/utils.js';
import * as m from '../dist/index.js';
import { runFile, same } from '../testing/vectors.js';

const WORDS = readFileSync(new URL('../../../internal/words/words.txt', import.meta.url), 'utf8').trim().split('\n');

function registration(c) {
  const r = m.openRegistration(unhex(c.registration), unhex(c.key));
  const own = { domainID: unhex(c.domainID), serviceID: unhex(c.serviceID), index: 1, name: c.name, device: unhex(c.device) };
  m.checkRegistration(r, own, BigInt(c.now));
  same(String(r.time), c.time);
  same(String(r.expiry), c.expiry);
  same(r.nonce, c.nonce);
}

function evidence(c, accept) {
  const read = m.decodeRegistered(unhex(c.evidence));
  if (!accept) return;
  same(read.registration, c.registration);
  same(read.code, c.code);
  same(m.encodeRegistered(read.registration, read.code), c.evidence);
}

function invitation(c, accept) {
  const { origin, token } = m.parseInvitation(c.link);
  if (!accept) return;
  same(origin, c.origin);
  same(token, c.token);
  same(m.invitationHash(token), c.hash);
  same(m.H(m.enrolMessage(token, unhex(c.serviceID), unhex(c.spki))), c.digest);
}

const words = (c) => same(m.deviceWords(unhex(c.device), WORDS).join(' '), c.words);

runFile('enrolment', { registration, evidence, invitation, words });
