// Words for bytes: internal/words/words.txt, as the build puts them in.

import words from '../../internal/words/words.txt';

/** @param {Uint8Array} device hash of a device @returns {string[]} those of its first six bytes */
export const wordsOf = (device) => Array.from(device.subarray(0, 6), (b) => words.trim().split('\n')[b]);
