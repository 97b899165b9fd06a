// What a page of a login server needs, and no more: its bundle is small.

export { Client, NotEnrolled } from './client.js';
export { TooFewShares } from './applicant.js';
export { NotConfirmed } from './authenticator.js';
export type { Authenticator, Bound } from './authenticator.js';
export { Refused } from './encoding.js';
export { Problem } from './problem.js';
export { openStore, memoryStore } from './store.js';
export type { Asker, ChangingPIN, Device, Enrolling, Invitation, Options, SignedIn, Stretch } from './client-types.js';
export type { Store } from './store.js';
export { workerStretcher } from './stretcher.js';
export { Damaged } from './vault.js';
export { platformAuthenticator } from './webauthn.js';
