// SPDX-License-Identifier: Apache-2.0
// Lists how PKCS#11 modules differ where the standard leaves it open, by their manufacturer (CK_INFO).
import type { TokenWays } from "../../storage/write-plan.ts";
import type { Configure } from "../messages.ts";

export type ModuleQuirks = TokenWays & {
  /** `live`: an open session sees what other processes write. `cached`: only a process that loads anew does. */
  cache: "live" | "cached";
  /** It shows so many objects of all kinds, its own included, and hides the rest without a word; null: all. */
  shownObjects: number | null;
};

/** Files of its own: each call is one step, and seen by all. */
const SOFTHSM: ModuleQuirks = {
  cache: "live",
  shownObjects: null,
  removesAtOnce: true,
  takesEmptyValues: true,
};

/**
 * OpenSC (measured on 0.23): it reads the card in C_Initialize and never again, its table of objects has 128 places
 * (MAX_OBJECTS of framework-pkcs15.c), past which C_CreateObject still returns CKR_OK; a removal takes the file of the value
 * first and that of the description second.
 */
const OPENSC: ModuleQuirks = {
  cache: "cached",
  shownObjects: 128,
  removesAtOnce: false,
  takesEmptyValues: false,
};

/** Nothing is taken for granted. */
const UNKNOWN: ModuleQuirks = {
  cache: "cached",
  shownObjects: null,
  removesAtOnce: false,
  takesEmptyValues: true,
};

/** The quirks of the module of this manufacturer; PKCS11_CACHE of the configuration stands above what is known. */
export const quirksOf = (manufacturer: string, cache: Configure["cache"]): ModuleQuirks => {
  const known = manufacturer.startsWith("SoftHSM")
    ? SOFTHSM
    : manufacturer.startsWith("OpenSC")
      ? OPENSC
      : UNKNOWN;
  return cache === "auto" ? known : { ...known, cache };
};
