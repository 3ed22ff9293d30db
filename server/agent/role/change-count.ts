// SPDX-License-Identifier: Apache-2.0
// Counts the changes that this process has made to its token and those under way, and keeps some work apart from them.

/** Position and changes under way, as server/agent-api/role-schema.ts tells them. */
export class ChangeCount {
  #position = 0;
  #writing = 0;
  #apart: Promise<unknown> | undefined;
  readonly #waiting = new Set<() => void>();

  /** How many changes have been made. All of them have ended. */
  get position(): number {
    return this.#position;
  }

  /** How many have begun and not ended. */
  get writing(): number {
    return this.#writing;
  }

  /** Makes a change once no work is apart. `isMade`: whether it may have changed the token; it counts then, before this answers. */
  async change<T>(make: () => Promise<T>, isMade: (result: T) => boolean): Promise<T> {
    while (this.#apart !== undefined) await this.#apart;
    this.#writing += 1;
    try {
      const result = await make();
      if (isMade(result)) this.#position += 1;
      return result;
    } catch (error) {
      // Nothing says that it was not made.
      this.#position += 1;
      throw error;
    } finally {
      this.#end();
    }
  }

  #end(): void {
    this.#writing -= 1;
    if (this.#writing === 0) for (const tell of this.#waiting) tell();
  }

  /** Resolves when no change is under way. */
  async quiet(): Promise<void> {
    while (this.#writing > 0) {
      await new Promise<void>((resolve) => {
        const tell = () => {
          this.#waiting.delete(tell);
          resolve();
        };
        this.#waiting.add(tell);
      });
    }
  }

  /** Does work while no change is under way and none begins. It is under way itself, and counts by `counted`. */
  async apart<T>(work: (counted: () => void) => Promise<T>): Promise<T> {
    while (this.#apart !== undefined) await this.#apart;
    const done = Promise.withResolvers<void>();
    this.#apart = done.promise;
    try {
      await this.quiet();
      this.#writing += 1;
      return await work(() => {
        this.#position += 1;
      });
    } finally {
      this.#end();
      this.#apart = undefined;
      done.resolve();
    }
  }
}
