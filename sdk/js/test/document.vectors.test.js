// Cases of document.json and issuance.json that need no ceremony and no reply.

import { hexToBytes as unhex } from '@noble/hashes/utils.js';
import * as m from '../dist/index.js';
import { runFile, same } from '../testing/vectors.js';

function document(c) {
  switch (c.what) {
    case 'parse': return m.decodeDocument(unhex(c.document));
    case 'published': {
      const stamp = c.stamp ? unhex(c.stamp) : null;
      const d = m.loadDocument({ document: unhex(c.document), signature: unhex(c.signature), stamp }, unhex(c.id));
      return same(d.domainID, c.id);
    }
    case 'approval': return m.openDocumentApproval(m.decodeDocument(unhex(c.document)), unhex(c.approval), Number(c.index));
    case 'fresh': return m.isFresh(Number(c.day), BigInt(c.now));
  }
  throw new Error(`unknown case "${c.what}"`);
}

// The document that follows from a ceremony is for another page.
runFile('document', document, (c) => c.what !== 'first');

function statement(c) {
  const d = m.decodeDocument(unhex(c.document));
  const e = m.openEnrolment(unhex(c.statement), d.authorities[Number(c.index) - 1].key);
  same(e.name, c.name);
  same(e.time, BigInt(c.time));
  same(e.index, Number(c.index));
}

// Of issuance, the statements of enrolment, which rows are made of.
runFile('issuance', statement, (c) => c.what === 'statement');
