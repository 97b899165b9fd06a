// spec/README.md: everything of the pages that this package implements.

export * from './encoding.js';
export * from './groups.js';
export * from './identity.js';
export * from './shares.js';
export * as ibs from './ibs.js';
