// SPDX-License-Identifier: Apache-2.0
// Tests that a file's value follows the file, and survives every invalid state of it.
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { type Parsed, rereadFiles, UnusableFile } from "../../server/config/reread-file.ts";

const parse = (contents: Buffer): Parsed<string> => {
  const text = contents.toString();
  return text.startsWith("bad") ? { ok: false, message: "is bad" } : { ok: true, value: text };
};

const follow = (path: string) => {
  let now = 0;
  const faults: string[] = [];
  const changes: string[] = [];
  const file = rereadFiles({
    paths: [path],
    parse,
    now: () => now,
    onFault: (message) => faults.push(message),
    onChange: (value) => changes.push(value),
  });
  const later = () => {
    now += 1000;
    return file.get();
  };
  return { file, faults, changes, later, tick: (ms: number) => (now += ms) };
};

t.test("a change is seen after the interval and not before", async (t) => {
  const path = join(t.testdir({ file: "one" }), "file");
  const { file, changes, tick } = follow(path);
  writeFileSync(path, "two");
  tick(999);
  t.equal(file.get(), "one");
  tick(1);
  t.equal(file.get(), "two");
  t.same(changes, ["two"]);
});

t.test("a rewrite of the same length is seen", async (t) => {
  const path = join(t.testdir({ file: "aaa" }), "file");
  const { later } = follow(path);
  writeFileSync(path, "bbb");
  t.equal(later(), "bbb");
});

t.test("a swapped link is seen, as Kubernetes updates a mounted Secret", async (t) => {
  const root = t.testdir({ v1: { file: "one" } });
  symlinkSync("v1", join(root, "data"));
  const { later } = follow(join(root, "data", "file"));
  mkdirSync(join(root, "v2"));
  writeFileSync(join(root, "v2", "file"), "two");
  symlinkSync("v2", join(root, "data.new"));
  renameSync(join(root, "data.new"), join(root, "data"));
  t.equal(later(), "two");
});

t.test(
  "what can't be used keeps the old value and is told once, and the file's return is seen",
  async (t) => {
    const path = join(t.testdir({ file: "one" }), "file");
    const { file, faults, later } = follow(path);
    writeFileSync(path, "bad: hunter2");
    t.equal(later(), "one");
    t.equal(later(), "one");
    t.same(faults, [`${path} is bad; the former content stays in use`]);
    t.equal(file.fault(), faults[0]);
    rmSync(path);
    t.equal(later(), "one");
    t.equal(later(), "one");
    t.equal(faults.length, 2);
    t.match(faults[1], /does not exist; the former content stays in use$/);
    writeFileSync(path, "two");
    t.equal(later(), "two");
    t.equal(file.fault(), undefined);
  },
);

t.test("a start on a file that can't be used fails", async (t) => {
  const root = t.testdir({ file: "bad" });
  t.throws(() => follow(join(root, "file")), new UnusableFile(`${join(root, "file")} is bad`));
  t.throws(() => follow(join(root, "none")), new UnusableFile(`${join(root, "none")} does not exist`));
});
