// SPDX-License-Identifier: Apache-2.0
// Reads a token's description of itself (CK_TOKEN_INFO).

import type { TokenView } from "../answers.ts";
import { callModule } from "./module-call.ts";
import type { Attached } from "./session.ts";

/** Bytes as a number, or null for the value by which PKCS#11 says "not known" (CK_UNAVAILABLE_INFORMATION). */
const knownBytes = (value: number | bigint): number | null => {
  const bytes = Number(value);
  return Number.isSafeInteger(bytes) && bytes !== 0xffffffff ? bytes : null;
};

/** The part of a view that C_GetTokenInfo tells. */
export const describeToken = ({
  slot,
  ways,
}: Attached): Pick<TokenView, "cache" | "token" | "freeBytes" | "totalBytes"> => {
  const token = callModule("C_GetTokenInfo", () => slot.getToken());
  const { major, minor } = token.firmwareVersion;
  return {
    cache: ways.cache,
    token: {
      label: token.label,
      manufacturer: token.manufacturerID,
      model: token.model,
      serial: token.serialNumber,
      firmware: `${major}.${minor}`,
    },
    freeBytes: knownBytes(token.freePrivateMemory),
    totalBytes: knownBytes(token.totalPrivateMemory),
  };
};
