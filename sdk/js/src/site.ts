// The login service that an origin is, as the domain document has it (spec/document.md).

import { base64, equal, need, readBase64 } from './encoding.js';
import { currentEpoch, encodeEpoch } from './epochs.js';
import { decodeDocument, isFresh, loadDocument } from './document.js';
import { formatFingerprint, parseFingerprint } from './identity.js';
import { Problem } from './problem.js';
import type { Document, DocumentService } from './document.js';
import type { Answer, Call } from './problem.js';
import type { Pinned, Published, Token, Vault } from './vault.js';

const MEMBERS = ['document', 'signature', 'stamp'] as const;

interface SiteOptions {
  call: Call;
  vault: Vault;
  now: () => number;
  origin: string;
  service?: string;
  fingerprint?: string;
}

/** What is served, of which only the known members count, as text. */
const published = (answer: Answer): Published => {
  const [document, signature, stamp] = MEMBERS.map((m) => (answer[m] === undefined ? undefined : base64(readBase64(answer[m], m))));
  need(document !== undefined && signature !== undefined, 'document: not served');
  return stamp === undefined ? { document, signature } : { document, signature, stamp };
};

const same = (a: Published, b: Published): boolean => MEMBERS.every((m) => a[m] === b[m]);

/** Keeps the domain of one origin: pinned by the fingerprint, or by the first contact where none is given, and never going back. */
export class Site {
  readonly #call: Call;
  readonly #vault: Vault;
  readonly #now: () => number;
  readonly #options: SiteOptions;
  #current: Place | undefined;

  constructor(options: SiteOptions) {
    this.#options = options;
    this.#call = options.call;
    this.#vault = options.vault;
    this.#now = options.now;
  }

  /** The service, as it is known here or else as it is served. */
  async known(): Promise<Place> {
    if (this.#current) return this.#current;
    const kept = await this.#vault.domain();
    if (!kept) return this.refresh();
    this.#current = this.#place({ ...decodeDocument(readBase64(kept.published.document)), day: kept.day });
    return this.#current;
  }

  /** The service as it is served now; what is known already, if that cannot be had. */
  async refresh(): Promise<Place> {
    const kept = await this.#vault.domain();
    let answer: Published;
    try {
      answer = published(await this.#call('/v1/domain'));
    } catch (e) {
      if (kept && e instanceof Problem) return this.known();
      throw e;
    }
    if (kept && same(kept.published, answer)) return this.known();
    const d = this.#verify(answer, kept);
    const place = this.#place(d);
    await this.#vault.keepDomain({ fingerprint: formatFingerprint(d.domainID), revision: d.revision, day: d.day, published: answer });
    this.#current = place;
    return place;
  }

  #verify(answer: Published, kept: Pinned | undefined): Document & { day?: number } {
    const document = readBase64(answer.document);
    const pinned = kept?.fingerprint ?? this.#options.fingerprint;
    const id = pinned ? parseFingerprint(pinned) : decodeDocument(document).domainID;
    const stamp = answer.stamp === undefined ? null : readBase64(answer.stamp);
    const d = loadDocument({ document, signature: readBase64(answer.signature), stamp }, id);
    if (kept) {
      need(d.revision >= kept.revision, 'document: of a revision before the one that is known');
      const other = d.revision === kept.revision && answer.document !== kept.published.document;
      need(!other, 'document: another one of the same revision');
    }
    return d;
  }

  #place(document: Document & { day?: number }): Place {
    const { origin, service: wanted } = this.#options;
    const service = document.services.find((s) => s.origin === origin && (wanted === undefined || s.name === wanted));
    if (!service) throw new Problem('wrong-origin', { detail: `the domain document lists no login service at ${origin}` });
    return new Place(document, service, this.#now);
  }
}

/** One login service of one document. */
export class Place {
  readonly #now: () => number;

  constructor(readonly document: Document & { day?: number }, readonly service: DocumentService, now: () => number) {
    this.#now = now;
  }

  /** What a login names. */
  get login() {
    return { domainID: this.document.domainID, serviceID: this.service.serviceID, origin: this.service.origin };
  }

  /** The epochs of permits now and next, 12 bytes each. */
  epochs() {
    const schedule = this.document.schedules.find((s) => s.purpose === 'permit');
    need(schedule, 'document: no schedule of permit');
    const now = currentEpoch(schedule, this.#now());
    return [now, currentEpoch(schedule, now.start + now.length)].map(encodeEpoch);
  }

  /** Refuses to enrol where the document has no stamp of these days. The stamp was verified when it came. */
  needFresh() {
    const { day } = this.document;
    if (day === undefined || !isFresh(day, this.#now())) throw new Problem('no-stamp', { detail: 'the domain document has no stamp of these days' });
  }

  holds(token: Token) {
    return equal(token.domainID, this.document.domainID) && equal(token.serviceID, this.service.serviceID);
  }
}
