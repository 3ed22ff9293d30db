// SPDX-License-Identifier: Apache-2.0
// Tests invalid PIN files: none of them reaches the token.
import { writeFileSync } from "node:fs";
import { Value } from "@sinclair/typebox/value";
import t from "tap";
import { PinBody } from "../../../server/agent-api/schema.ts";
import { parsePin } from "../../../server/config/pin-line.ts";
import { tokenFixture } from "./token-fixture.ts";

t.setTimeout(590_000);

const rows = (pin: string): [what: string, contents: Buffer, message: RegExp][] => [
  ["nothing", Buffer.from(""), /is empty/],
  ["a line break alone", Buffer.from("\n"), /is empty/],
  ["two lines", Buffer.from(`${pin}\n${pin}\n`), /more than one line/],
  ["a second line that is empty", Buffer.from(`${pin}\n\n`), /more than one line/],
  ["a carriage return within", Buffer.from(`${pin}\r${pin}`), /more than one line/],
  ["a blank at the end", Buffer.from(`${pin} `), /ends with a blank/],
  ["a tab before the line break", Buffer.from(`${pin}\t\n`), /control character/],
  ["a blank at the beginning", Buffer.from(` ${pin}\n`), /begins or ends with a blank/],
  ["a no-break space at the end", Buffer.from(`${pin}\u00a0\n`), /ends with a blank/],
  ["a byte order mark", Buffer.from(`\ufeff${pin}\n`), /byte order mark/],
  ["UTF-16", Buffer.from(`\ufeff${pin}\n`, "utf16le"), /not UTF-8/],
  ["a NUL at the end", Buffer.from(`${pin}\0`), /NUL/],
  ["latin1", Buffer.from(`${pin}\u00fc`, "latin1"), /not UTF-8/],
  ["256 characters", Buffer.from("1".repeat(256)), /more than 255/],
];

t.test(
  "what can't be meant is refused before the token sees it, and the message names it and the file",
  async (t) => {
    const { token, module, openStore } = await tokenFixture(t);
    const store = openStore();
    t.match(await store.read("secrets/a/db"), { kind: "absent" });
    module.control("crash C_FindObjectsInit segv 1");
    const down = store.healthIs(false);
    writeFileSync(token.pinFile, "");
    await store.list("");
    await down;
    module.control();
    module.forgetCalls();
    for (const [what, contents, message] of rows(token.pin)) {
      writeFileSync(token.pinFile, contents);
      const read = await store.read("secrets/a/db");
      t.match(read, { kind: "unavailable", code: "TOKEN_UNAVAILABLE", message }, what);
      t.match(read, { message: new RegExp(`${token.pinFile}.*PKCS11_PIN_FILE.*one line`) });
      if (read.kind === "unavailable") t.notOk(read.message.includes(token.pin), "and not the PIN");
    }
    t.equal(module.calls("C_Login"), 0);
    for (const end of ["", "\n", "\r\n"]) {
      writeFileSync(token.pinFile, `${token.pin}${end}`);
      t.match(
        await store.read("secrets/a/db"),
        { kind: "absent" },
        `its end ${JSON.stringify(end)} is right`,
      );
    }
  },
);

t.test("a new PIN that a PIN file could not hold is none for the API either", async (t) => {
  for (const newPin of [
    " 12345",
    "12345 ",
    "12345\u00a0",
    "12\u008534",
    "12345\n",
    "\ufeff12345",
    "12\u202834",
  ]) {
    t.notOk(parsePin(Buffer.from(`${newPin}\n`)).ok && !newPin.endsWith("\n"), encodeURIComponent(newPin));
    t.notOk(Value.Check(PinBody, { currentPin: "12345", newPin }), encodeURIComponent(newPin));
  }
  for (const newPin of ["12345", "a b c d", "schl\u00fcssel"]) {
    t.ok(parsePin(Buffer.from(newPin)).ok);
    t.ok(Value.Check(PinBody, { currentPin: "12345", newPin }));
  }
});
