// SPDX-License-Identifier: Apache-2.0
// Waits for conditions that are checked again at each notification, such as lines, events or messages of a process;
// `eventually` polls instead.

export type Notifier = {
  /** Something was told: all that is waited for is looked for again. */
  notify(): void;
  /**
   * Calls `check` now and at each `notify` until it answers with something else than undefined or false, and answers with that.
   * @throws Error naming `what` and what was `seen` instead, when `seconds` are over; and what `check` throws
   */
  until<T>(
    what: string,
    check: () => T | undefined | false,
    options?: { readonly seconds?: number; readonly seen?: () => string },
  ): Promise<T>;
};

/** Long enough for a machine under load, and short beside the time limit of a test file. */
const LIMIT_SECONDS = 60;

export const createNotifier = (): Notifier => {
  const waiting = new Set<() => void>();
  return {
    notify() {
      for (const look of [...waiting]) look();
    },
    until: (what, check, { seconds = LIMIT_SECONDS, seen = () => "" } = {}) =>
      new Promise((resolve, reject) => {
        const end = (then: () => void) => {
          waiting.delete(look);
          clearTimeout(timer);
          then();
        };
        const look = () => {
          try {
            const found = check();
            if (found !== undefined && found !== false) end(() => resolve(found));
          } catch (fault) {
            end(() => reject(fault));
          }
        };
        const timer = setTimeout(
          () => end(() => reject(new Error(`${what}: not within ${seconds} s. ${seen()}`.trim()))),
          seconds * 1000,
        );
        waiting.add(look);
        look();
      }),
  };
};
