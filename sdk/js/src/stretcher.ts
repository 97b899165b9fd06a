// Argon2id by hash-wasm in a worker of a browser.

import { bytes, need } from './encoding.js';
import { checkStretching } from './pin.js';
import type { Stretch } from './client-types.js';

/**
 * @param make starts worker.js, bundled
 * @returns warm starts a worker ahead. Each stretches once and ends, and its memory with it.
 */
export function workerStretcher(make: () => Worker): Stretch & { warm: () => void } {
  let next: Worker | undefined;
  const warm = () => {
    next ??= make();
  };
  const stretch: Stretch = (pin, salt, stretching) => {
    const parameters = checkStretching(stretching);
    need(pin instanceof Uint8Array && pin.length >= 4 && pin.length <= 64, 'PIN: not 4–64 characters');
    need(pin.every((c) => c >= 0x20 && c <= 0x7e), 'PIN: a character that is not printable ASCII');
    const worker = next ?? make();
    next = undefined;
    return new Promise((resolve, reject) => {
      const end = <T>(settle: (value: T) => void, value: T): void => {
        worker.terminate();
        settle(value);
      };
      worker.onerror = () => end(reject, new Error('the worker that stretches PINs does not start'));
      worker.onmessage = ({ data }) => {
        if (data.ready) return;
        if (data.error) end(reject, new Error(data.error));
        else end(resolve, bytes(data.stretched, 'stretched', 32));
      };
      const copy = Uint8Array.from(pin);
      worker.postMessage({ pin: copy, salt, ...parameters }, [copy.buffer]);
    });
  };
  return Object.assign(stretch, { warm });
}
