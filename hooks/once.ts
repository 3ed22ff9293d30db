// SPDX-License-Identifier: Apache-2.0
// Computes a value lazily, at most once.

/** Gives what `make` makes; it is called at the first call, and not again. `make` is pure: nobody can tell when that was. */
export const once = <T>(make: () => T): (() => T) => {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
};
