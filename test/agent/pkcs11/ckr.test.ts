// SPDX-License-Identifier: Apache-2.0
// Tests the names of return values against those of pkcs11js, which the parent process does not load for a table.
import pkcs11js from "pkcs11js";
import t from "tap";
import { ckrName } from "../../../server/agent/pkcs11/ckr.ts";

t.test("each return value that has a name has that of PKCS#11", (t) => {
  const values = Object.entries(pkcs11js).flatMap(([name, value]): [string, number][] =>
    name.startsWith("CKR_") && typeof value === "number" ? [[name, value]] : [],
  );
  t.ok(values.length > 80, `pkcs11js knows ${values.length}`);
  const named = values.filter(([, value]) => ckrName(value).startsWith("CKR_"));
  for (const [name, value] of named) t.equal(ckrName(value), name);
  t.ok(named.length >= 35, `${named.length} of them have a name here`);
  t.equal(ckrName(0x7fff_ffff), "CKR 0x7fffffff");
  t.end();
});
