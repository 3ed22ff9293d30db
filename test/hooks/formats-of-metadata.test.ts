// SPDX-License-Identifier: Apache-2.0
// Tests labels and annotations against apimachinery's rules (IsQualifiedName, IsValidLabelValue, ValidateAnnotations).
import t from "tap";
import { isMetadataKey, isMetadataValue, metadataFault } from "../../hooks/formats.ts";

const long = "a".repeat(63);

t.test("keys", async (t) => {
  const domain = `${`${"a".repeat(50)}.`.repeat(4)}${"b".repeat(49)}`;
  t.equal(domain.length, 253);
  for (const key of ["a", "A_b.c-d", "0", long, `example.com/${long}`, "a-b.c/d", `${domain}/x`]) {
    t.ok(isMetadataKey("labels", key) && isMetadataKey("annotations", key), key);
  }
  for (const key of [
    "",
    "/",
    "/a",
    "a/",
    "a/b/c",
    "-a",
    "a-",
    "_a",
    "a b",
    "ä",
    `${long}a`,
    "a..b/c",
    ".a/c",
    "a./c",
    "a-/c",
    "a_b/c",
    `c${domain}/x`,
    "a\n",
  ]) {
    t.notOk(isMetadataKey("labels", key) || isMetadataKey("annotations", key), key);
  }
  t.ok(isMetadataKey("annotations", "Example.com/a"));
  t.notOk(isMetadataKey("labels", "Example.com/a"));
});

t.test("values of labels; an annotation's may be any", async (t) => {
  for (const value of ["", "a", "A_b.c-d", "0", long]) t.ok(isMetadataValue("labels", value), value);
  for (const value of ["-a", "a-", "a b", "ä", `${long}a`, "a/b", "a\n"]) {
    t.notOk(isMetadataValue("labels", value), value);
    t.ok(isMetadataValue("annotations", value), value);
  }
});

t.test("the length of all annotations counts in bytes, keys included", async (t) => {
  const limit = 240 * 1024;
  t.equal(metadataFault("annotations", { a: "x".repeat(limit - 1) }), undefined);
  t.match(metadataFault("annotations", { a: "x".repeat(limit) }), /they have 245761 bytes/);
  t.match(metadataFault("annotations", { a: "ä".repeat(limit / 2) }), /they have 245761 bytes/);
});
