// Bounds every wait of the tests, so that a silent server fails a test instead of hanging it.

// Settles as `promise` does, or rejects with `what()` after `ms` milliseconds.
export function within(ms, promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`after ${ms} ms: ${what()}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
