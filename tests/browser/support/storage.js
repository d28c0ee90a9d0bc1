/** A browser's storage, for tests without one. */

/** Makes both storages, empty. */
export function useStorage() {
  for (const name of ['localStorage', 'sessionStorage']) {
    const items = new Map();
    globalThis[name] = {
      getItem: (key) => items.get(key) ?? null,
      setItem: (key, text) => { items.set(key, text); },
    };
  }
}
