// Where a device keeps what must last: IndexedDB in a browser, memory elsewhere and in tests. Nothing is put into localStorage.

/**
 * A store of structured-clonable values. Each write is durable when its promise resolves.
 * @typedef {object} Store
 * @property {(key: string) => Promise<any>} get undefined when there is none
 * @property {(changes: Record<string, any>) => Promise<void>} write all of them or none; undefined removes
 * @property {() => Promise<string[]>} keys
 */

const TABLE = 'values';

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

const finished = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(undefined);
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });

/**
 * The store of this origin.
 * @param {string} [name] of the database
 * @returns {Promise<Store>}
 */
export async function openStore(name = 'milagro') {
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(TABLE);
  const db = await done(opening);
  const table = (mode) => db.transaction(TABLE, mode, { durability: 'strict' });
  return {
    get: (key) => done(table('readonly').objectStore(TABLE).get(key)),
    keys: async () => (await done(table('readonly').objectStore(TABLE).getAllKeys())).map(String),
    write: async (changes) => {
      const t = table('readwrite');
      const values = t.objectStore(TABLE);
      for (const [key, value] of Object.entries(changes)) {
        if (value === undefined) values.delete(key);
        else values.put(value, key);
      }
      await finished(t);
    },
  };
}

/** @returns {Store} one that is gone with the process */
export function memoryStore() {
  const values = new Map();
  return {
    get: async (key) => values.get(key),
    keys: async () => [...values.keys()],
    write: async (changes) => {
      for (const [key, value] of Object.entries(changes)) {
        if (value === undefined) values.delete(key);
        else values.set(key, value);
      }
    },
  };
}
