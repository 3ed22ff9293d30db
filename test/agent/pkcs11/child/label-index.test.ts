// SPDX-License-Identifier: Apache-2.0
// Tests the index from paths to objects: what belongs to a path, what a list shows, and leftovers of writes.
import t from "tap";
import { type IndexedObject, LabelIndex } from "../../../../server/agent/pkcs11/child/label-index.ts";
import { JOURNAL_APPLICATION, PACKED_APPLICATION } from "../../../../server/agent/storage/path.ts";

let handles = 0;
const object = (label: string, application = label, isPublic = false): IndexedObject => {
  handles += 1;
  return { label, application, handle: Buffer.from([handles]), ...(isPublic && { isPublic }) };
};

t.test("objects come and go", async (t) => {
  const [user, password] = [object("secrets/a/db/user"), object("secrets/a/db/password")];
  const index = new LabelIndex([user, password]);
  t.same(index.objectsOf("secrets/a/db"), [user, password]);
  t.same(index.paths("secrets/"), ["secrets/a/db"], "a path is listed once");
  t.equal(index.size, 2);
  index.add(user);
  t.equal(index.size, 2, "a handle is of one object");
  const packed = object("secrets/a/aa", PACKED_APPLICATION);
  index.add(packed);
  t.same(index.paths("secrets/a/"), ["secrets/a/aa", "secrets/a/db"], "in order");
  t.same(index.paths("secrets/b/"), []);
  index.remove(user.handle);
  t.ok(index.isListed("secrets/a/db"), "as long as one object is there");
  t.notOk(index.has(user.handle));
  index.remove(password.handle);
  index.remove(password.handle);
  t.notOk(index.isListed("secrets/a/db"));
  t.same(index.objectsOf("secrets/a/db"), []);
  t.same(index.paths(""), ["secrets/a/aa"]);
  t.same(index.handles(), [packed.handle]);
  t.same(index.allPaths(), ["secrets/a/aa"]);
});

t.test("what a cut write may have left", async (t) => {
  const path = "secrets/a/db";
  const rows: [what: string, objects: IndexedObject[], unsettled: string[]][] = [
    ["one packed object", [object(path, PACKED_APPLICATION)], []],
    ["two of them", [object(path, PACKED_APPLICATION), object(path, PACKED_APPLICATION)], [path]],
    ["one is public", [object(path, PACKED_APPLICATION), object(path, PACKED_APPLICATION, true)], []],
    ["a journal", [object(path, JOURNAL_APPLICATION)], [path]],
    ["a public journal", [object(path, JOURNAL_APPLICATION, true)], []],
    ["keys", [object(`${path}/a`), object(`${path}/b`)], []],
  ];
  for (const [what, objects, unsettled] of rows) t.same(new LabelIndex(objects).unsettled(), unsettled, what);
});
