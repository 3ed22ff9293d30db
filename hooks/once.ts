// SPDX-License-Identifier: Apache-2.0
// Puts a computation off until somebody asks, and does it once.

/** Gives what `make` makes; it is called at the first call, and not again. `make` is pure: nobody can tell when that was. */
export const once = <T>(make: () => T): (() => T) => {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
};
