// SPDX-License-Identifier: Apache-2.0
// Translates errors of the PKCS#11 module: each call's outcome becomes a value or a Ckr error with the number it returned.
import pkcs11js from "pkcs11js";
import { ckrName } from "../ckr.ts";

/** A call of the module that did not return CKR_OK. */
export class CkrError extends Error {
  readonly value: number;
  readonly call: string;
  constructor(value: number, call: string) {
    super(`${call}: ${ckrName(value)}`);
    this.name = "CkrError";
    this.value = value;
    this.call = call;
  }
}

/** The return value in an error of the binding. C_FindObjects throws it raw, all others as Pkcs11Error. */
const returnValue = (error: unknown): number | undefined => {
  if (error instanceof pkcs11js.Pkcs11Error) return error.code;
  if (!(error instanceof Error) || error.stack === undefined) return undefined;
  const translated = new pkcs11js.Pkcs11Error(error.stack);
  return translated.code === 0 ? undefined : translated.code;
};

/** Runs `call`, whose module function is called `name`. Errors that are not the module's pass through: they are bugs. */
export const callModule = <T>(name: string, call: () => T): T => {
  try {
    return call();
  } catch (error) {
    const value = returnValue(error);
    if (value === undefined) throw error;
    throw new CkrError(value, name);
  }
};
