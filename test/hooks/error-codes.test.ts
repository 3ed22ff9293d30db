// SPDX-License-Identifier: Apache-2.0
// Tests that docs/errors.md and the table of error codes agree in both directions.
import { readFileSync } from "node:fs";
import t from "tap";
import { errors } from "../../hooks/error-codes.ts";

t.test("every code is documented with its status and text, and nothing else is", async (t) => {
  const document = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
  const rows = [...document.matchAll(/^\| `([A-Z_]+)` \| (\d+) \| (.+) \|$/gm)];
  const documented = Object.fromEntries(
    rows.map(([, code, status, text]) => [code, { status: Number(status), text }]),
  );
  const table = Object.entries(errors).map(([code, { status, text }]) => [code, { status, text }]);
  t.same(documented, Object.fromEntries(table));
  t.equal(rows.length, Object.keys(errors).length, "no code is there twice");
});
