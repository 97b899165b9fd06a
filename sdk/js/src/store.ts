// Where a device keeps what must last: IndexedDB in a browser, memory elsewhere and in tests. Nothing is put into localStorage.

/** A store of structured-clonable values. Each write is durable when its promise resolves. */
export interface Store {
  /** undefined when there is none */
  get(key: string): Promise<unknown>;
  /** all of them or none; undefined removes */
  write(changes: Record<string, unknown>): Promise<void>;
  keys(): Promise<string[]>;
}

const TABLE = 'values';

const done = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

const finished = (transaction: IDBTransaction): Promise<void> =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });

/**
 * The store of this origin.
 * @param name of the database
 */
export async function openStore(name = 'milagro'): Promise<Store> {
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(TABLE);
  const db = await done(opening);
  const table = (mode: IDBTransactionMode): IDBTransaction => db.transaction(TABLE, mode, { durability: 'strict' });
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

/** @returns one that is gone with the process */
export function memoryStore(): Store {
  const values = new Map<string, unknown>();
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
