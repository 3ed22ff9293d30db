// SPDX-License-Identifier: Apache-2.0
// Tests keyed checksums: HMAC as node:crypto computes it, comparable under each known key, renewed only on request.
import { createHmac } from "node:crypto";
import t from "tap";
import { checksumOfBase64, isPlain, keyedChecksums } from "../../hooks/checksum.ts";
import { checksumKey } from "./hsmsecret/request.ts";

const [old, next] = [checksumKey("0000000a"), checksumKey("0000000b")];
const plain = checksumOfBase64({ pin: "MTIzNDU2" });
const another = checksumOfBase64({ pin: "MTIzNDU3" });

t.test("a keyed checksum is the HMAC of the plain one, with the id of its key", async (t) => {
  const shown = keyedChecksums([old], false).of(plain);
  t.equal(shown, `hmac-sha256:0000000a:${createHmac("sha256", old.secret).update(plain).digest("hex")}`);
  t.notOk(isPlain(shown));
  t.ok(isPlain(plain));
});

t.test("what is shown compares under each known key, and under no other", async (t) => {
  const both = keyedChecksums([next, old], false);
  for (const shown of [keyedChecksums([old], false).of(plain), both.of(plain), plain]) {
    t.ok(both.fits(shown, plain));
    t.notOk(both.fits(shown, another));
    t.ok(both.knows(shown));
  }
  t.notOk(both.fits(undefined, plain));
  const gone = keyedChecksums([next], false);
  t.notOk(gone.fits(keyedChecksums([old], false).of(plain), plain));
  t.notOk(gone.knows(keyedChecksums([old], false).of(plain)));
  const forged = `hmac-sha256:0000000b:${keyedChecksums([old], false).of(plain).slice(-64)}`;
  t.notOk(gone.fits(forged, plain), "the id alone proves nothing");
});

t.test("what is right stays as it is, until it is to be renewed", async (t) => {
  const shown = keyedChecksums([old], false).of(plain);
  const both = keyedChecksums([next, old], false);
  t.equal(both.kept(shown, plain), shown);
  t.equal(both.kept(shown, another), both.of(another));
  t.equal(both.kept(undefined, plain), both.of(plain));
  t.equal(both.kept(plain, plain), plain);
  const renewing = keyedChecksums([next, old], true);
  t.ok(renewing.isOutdated(shown));
  t.equal(renewing.kept(shown, plain), renewing.of(plain));
  t.notOk(renewing.isOutdated(renewing.of(plain)));
});
