// A worker that stretches PINs, so that the page stays alive meanwhile: 64 MiB and about half a second.

import { argon2id } from 'hash-wasm';

self.onmessage = async ({ data: { pin, salt, memory, passes, threads } }) => {
  try {
    const stretched = await argon2id({
      password: pin, salt, memorySize: memory, iterations: passes, parallelism: threads, hashLength: 32, outputType: 'binary',
    });
    self.postMessage({ stretched });
  } catch (e) {
    self.postMessage({ error: String(e) });
  } finally {
    pin.fill(0);
  }
};
self.postMessage({ ready: true });
