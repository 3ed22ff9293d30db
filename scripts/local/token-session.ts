// SPDX-License-Identifier: Apache-2.0
// Opens a session that may write on the token of a label, the way any other program on the node would.
import { Module, type Session, SessionFlag, UserType } from "graphene-pk11";

/** The token and its PIN; `module` is the path of the PKCS#11 module. */
export type TokenAccess = { readonly module: string; readonly label: string; readonly pin: string };

/** Logs in to the token. */
export const openTokenSession = ({ module: path, label, pin }: TokenAccess): Session => {
  const module = Module.load(path);
  module.initialize();
  const slots = module.getSlots(true);
  const slot = Array.from({ length: slots.length }, (_, index) => slots.items(index)).find(
    (candidate) => candidate.getToken().label === label,
  );
  if (slot === undefined) throw new Error("the token is not there");
  const session = slot.open(SessionFlag.SERIAL_SESSION | SessionFlag.RW_SESSION);
  session.login(pin, UserType.USER);
  return session;
};
