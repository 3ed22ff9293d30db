// SPDX-License-Identifier: Apache-2.0
// Chooses the slot that the configuration means among the tokens that the module shows.
import { type Module, type Slot, type SlotCollection, type Token, TokenFlag } from "graphene-pk11";
import type { Configure } from "../messages.ts";
import { CkrError, callModule } from "./module-calls.ts";
import { StartFault } from "./start-fault.ts";

type PresentToken = { slot: Slot; number: bigint; token: Token };

/** What the module shows: tokens that have been set up, slots whose token it positively calls blank, and how many do not answer. */
export type TokensInSight = {
  readonly ready: readonly PresentToken[];
  readonly blank: readonly PresentToken[];
  readonly unclear: number;
};

/** Whether the module says that the token was never set up (CKF_TOKEN_INITIALIZED is clear). */
export const isBlank = ({ flags }: Token): boolean => (flags & TokenFlag.TOKEN_INITIALIZED) === 0;

/** The token in a slot, or undefined where it does not answer: another reader's fault is not ours. */
const presentToken = (slots: SlotCollection, index: number): PresentToken | undefined => {
  try {
    const slot = callModule("C_GetSlotInfo", () => slots.items(index));
    const token = callModule("C_GetTokenInfo", () => slot.getToken());
    const number = Buffer.concat([slot.handle, Buffer.alloc(8)]).readBigUInt64LE();
    return { slot, number, token };
  } catch (error) {
    if (error instanceof CkrError) return undefined;
    throw error;
  }
};

export const tokensInSight = (module: Module): TokensInSight => {
  const slots = callModule("C_GetSlotList", () => module.getSlots(true));
  const present = Array.from({ length: slots.length }, (_, index) => presentToken(slots, index)).filter(
    (token) => token !== undefined,
  );
  return {
    ready: present.filter(({ token }) => !isBlank(token)),
    blank: present.filter(({ token }) => isBlank(token)),
    unclear: slots.length - present.length,
  };
};

/**
 * Whether the token's label is the one that is asked for. OpenSC appends the name of the PIN to it: `keyswitch (UserPIN)`, cut
 * at 32 characters.
 */
const hasLabel = (token: Token, label: string): boolean =>
  token.label === label || token.label === `${label} (UserPIN)`.slice(0, 32).trimEnd();

const inWords = ({ number, token }: PresentToken): string =>
  `${JSON.stringify(token.label)} (slot ${number}, serial number ${JSON.stringify(token.serialNumber)})`;

/**
 * The one slot that the configuration means; where no token is the one, the fault that says so.
 * @throws StartFault where several are
 */
export const chooseSlot = ({ ready }: TokensInSight, config: Configure): Slot | StartFault => {
  const meant = ready.filter(
    ({ number, token }) =>
      (config.tokenLabel === undefined || hasLabel(token, config.tokenLabel)) &&
      (config.slot === undefined || number === BigInt(config.slot)),
  );
  const [only, ...others] = meant;
  const wanted =
    [
      config.tokenLabel === undefined ? "" : `label ${JSON.stringify(config.tokenLabel)}`,
      config.slot === undefined ? "" : `slot ${config.slot}`,
    ]
      .filter((part) => part !== "")
      .join(" and ") || "any label";
  if (only === undefined) {
    const seen = ready.map(inWords).join(", ") || "no token";
    const message = `no token with ${wanted} is present; the module shows ${seen}`;
    return new StartFault("TOKEN_UNAVAILABLE", message, { gone: true });
  }
  if (others.length > 0) {
    throw new StartFault(
      "TOKEN_UNAVAILABLE",
      `${meant.length} tokens have ${wanted}: ${meant.map(inWords).join(", ")}. Name one by its slot, with PKCS11_SLOT in place of PKCS11_TOKEN_LABEL`,
    );
  }
  return only.slot;
};
