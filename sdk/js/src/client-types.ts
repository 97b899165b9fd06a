// What a Client is given, and gives.

import type { Authenticator, Bound } from './authenticator.js';
import type { Stretching } from './pin.js';
import type { Store } from './store.js';

/** Argon2id, 32 bytes */
export type Stretch = (pin: Uint8Array, salt: Uint8Array, stretching: Stretching) => Promise<Uint8Array>;

export interface Options {
  /** of the login server: in a browser that of the page */
  origin: string;
  store: Store;
  stretch: Stretch;
  /** name, where an origin is several */
  service?: string;
  /** of the domain; without it the first contact pins the domain */
  fingerprint?: string;
  /** to which this browser can be bound; in a browser platformAuthenticator() */
  authenticator?: Authenticator;
  fetch?: typeof fetch;
  /** unix seconds */
  now?: () => number;
}

/** An accepted sign-in. */
export interface SignedIn {
  name: string;
  /** a JWT */
  statement: string;
  /** unix seconds */
  expires: number;
  /** of a change of PIN */
  vouchers?: string[];
}

/** What an invitation says. */
export interface Invitation {
  name: string;
  /** unix seconds */
  expires: number;
  /** indices of those that are asked */
  authorities: number[];
}

/** An authority that mailed a code. */
export interface Asker {
  index: number;
  name: string;
  /** the last code that it was shown */
  refused: boolean;
}

/** What enrolment needs. */
export interface Enrolling {
  token: string;
  pin: Uint8Array;
  /** to which the key is bound; without it, to the files of the browser alone */
  bound?: Bound;
  /** asks the person for what authorities have mailed, as often as one is wrong; an empty one has another mailed */
  codes?: (from: Asker[], device: Uint8Array) => Promise<Map<number, string>>;
}

/** A device of a person, as the login server knows it. */
export interface Device {
  /** 64 hex digits */
  device: string;
  made: string;
  accepted?: string;
  state: string;
  label?: string;
  current?: boolean;
}

/** What a change of PIN needs. */
export interface ChangingPIN {
  pin: Uint8Array;
  newPIN: Uint8Array;
  /** where this device has several */
  name?: string;
  /** to which the new key is bound; without it, to what the old one is */
  bound?: Bound;
}
