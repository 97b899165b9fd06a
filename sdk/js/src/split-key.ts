// spec/mpin.md "Token": the key of a device is obtained and split by the PIN.

import { enoughShares, gather } from './applicant.js';
import { deviceHash, identityPoint } from './identity.js';
import { makeToken, newSalt, pinScalar, STRETCHING } from './pin.js';
import { Problem } from './problem.js';
import type { Evidence, Outcome } from './applicant.js';
import type { Enrolling, Stretch } from './client-types.js';
import type { Application } from './issuance.js';
import type { Call } from './problem.js';
import type { Token } from './vault.js';

/** With what it is done. */
export interface SplitWork {
  call: Call;
  stretch: Stretch;
  /** unix seconds: a person takes time to look for codes */
  now: () => number;
}

/** What the authorities are shown: codes are those that they mailed. */
export type Shown = Pick<Enrolling, 'codes'> & { evidence: (codes: Map<number, string>) => Evidence };

// Of one authority: it has mailed a code, and takes the right one still.
const wantsCode = (o: Outcome): boolean => ofKind(o, 'email-sent') || ofKind(o, 'email-refused');
const ofKind = (o: Outcome, kind: string): boolean => o.error instanceof Problem && o.error.kind === kind;

/** Obtains the key of a device and splits it by the PIN. The PIN is fixed before anything is asked for. */
export async function splitKey(work: SplitWork, application: Application, pin: Uint8Array, shown: Shown): Promise<{ token: Token, alpha: bigint }> {
  const { document: d, service, name } = application;
  const salt = newSalt();
  const stretched = work.stretch(pin, salt, STRETCHING);
  stretched.catch(() => {}); // it is awaited below, when the shares are here
  const shares = enoughShares(await outcomesOf(work, application, shown), d.t);
  const alpha = pinScalar(await stretched);
  const A = identityPoint('mpin', { serviceID: service.serviceID, name, device: deviceHash(application.spki) });
  const T = makeToken(shares, d.t, A, alpha);
  const statements = shares.flatMap((s) => s.statement ?? []);
  const token = { name, domainID: d.domainID, serviceID: service.serviceID, T, salt, stretching: STRETCHING, statements };
  return { token, alpha };
}

async function outcomesOf({ call, now }: SplitWork, application: Application, { evidence, codes }: Shown): Promise<Outcome[]> {
  const { t } = application.document;
  let outcomes = await gather(call, application, now(), { enough: t, evidence: evidence(new Map()) });
  // A wrong code costs no share that is here already.
  while (codes && outcomes.some(wantsCode) && outcomes.filter((o) => o.share).length < t) {
    const asking = outcomes.filter(wantsCode).map((o) => ({ index: o.index, name: o.name, refused: ofKind(o, 'email-refused') }));
    const typed = await codes(asking, deviceHash(application.spki));
    const again = await gather(call, application, now(), { indices: [...typed.keys()], evidence: evidence(typed) });
    outcomes = outcomes.map((o) => again.find((a) => a.index === o.index) ?? o);
  }
  return outcomes;
}
