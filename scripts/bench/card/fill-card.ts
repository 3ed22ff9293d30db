// SPDX-License-Identifier: Apache-2.0
// Runs a process that fills a token with packed secrets over any PKCS#11 module, and ends.
import { Module, SessionFlag } from "graphene-pk11";
import { createObject } from "../../../server/agent/pkcs11/child/module-calls.ts";
import { encodePacked } from "../../../server/agent/storage/packed.ts";
import { PACKED_APPLICATION } from "../../../server/agent/storage/path.ts";
import { pathOf } from "../bench-token.ts";

/** Secrets `from` to `to` (excluded), of two keys each. Module and PIN are in the environment. */
const fill = (from: number, to: number): void => {
  const module = Module.load(process.env.FILL_MODULE ?? "");
  module.initialize();
  const session = module.getSlots(0, true).open(SessionFlag.SERIAL_SESSION | SessionFlag.RW_SESSION);
  session.login(process.env.FILL_PIN ?? "");
  for (let index = from; index < to; index += 1) {
    const keys = new Map([
      ["username", Buffer.from("app")],
      ["password", Buffer.from("x".repeat(32))],
    ]);
    for (const value of encodePacked({ version: 1, keys, metadata: {} })) {
      createObject(session, { label: pathOf(index), application: PACKED_APPLICATION, value });
    }
  }
  module.finalize();
};

fill(Number(process.argv[2]), Number(process.argv[3]));
