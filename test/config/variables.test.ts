// SPDX-License-Identifier: Apache-2.0
// Tests the reader of variable tables: parsed values, errors, and the environment that other programs get.
import { randomBytes } from "node:crypto";
import t from "tap";
import { boolean, choice, file, integer, pattern, text } from "../../server/config/variable-table.ts";
import { complete, present, readVariables } from "../../server/config/variables.ts";

const description = "";
const TABLE = {
  LEVEL: choice(["LOW", "HIGH"], { description, anyCase: true }),
  MODE: choice(["a", "b"], { description, default: "a" }),
  COUNT: integer(1, 10, { description, default: 3 }),
  SWITCH: boolean({ description, default: true }),
  LABEL: pattern({ minLength: 1, maxLength: 3 }, "a label", { description }),
  PROXY: text({ description, alias: "proxy" }),
  PASSWORD: text({ description, secret: true }),
  NEEDED: text({ description, required: true }),
  PATH_FILE: file({ description }),
};

for (const [env, name, expected] of [
  [{}, "LEVEL", undefined],
  [{ LEVEL: " high " }, "LEVEL", "HIGH"],
  [{}, "MODE", "a"],
  [{ MODE: "b" }, "MODE", "b"],
  [{ COUNT: " " }, "COUNT", 3],
  [{ COUNT: "10" }, "COUNT", 10],
  [{}, "SWITCH", true],
  [{ SWITCH: "No" }, "SWITCH", false],
  [{ LABEL: "abc" }, "LABEL", "abc"],
  [{ proxy: "x" }, "PROXY", "x"],
  [{ proxy: "x", PROXY: "y" }, "PROXY", "y"],
] as const) {
  t.test(`${name} of ${JSON.stringify(env)} is ${JSON.stringify(expected)}`, async (t) => {
    const reader = readVariables(env, TABLE);
    t.equal(reader.value(name), expected);
    t.same(reader.faults, []);
  });
}

for (const [env, name, message] of [
  [{ LEVEL: "middle" }, "LEVEL", "must be one of LOW, HIGH"],
  [{ MODE: "A" }, "MODE", "must be one of a, b"],
  [{ COUNT: "11" }, "COUNT", "must be a whole number from 1 to 10"],
  [{ COUNT: "1e0" }, "COUNT", "must be a whole number from 1 to 10"],
  [{ SWITCH: "on" }, "SWITCH", "must be true or false (or 1, 0, yes, no)"],
  [{ LABEL: "abcd" }, "LABEL", "must be a label"],
  [{}, "NEEDED", "is required"],
  [{ PATH_FILE: "/none" }, "PATH_FILE", "/none does not exist"],
] as const) {
  t.test(`${name} of ${JSON.stringify(env)} ${message}, which is told once`, async (t) => {
    const reader = readVariables(env, TABLE);
    t.same([reader.value(name), reader.value(name)], [undefined, undefined]);
    t.same(reader.faults, [{ name, message }]);
  });
}

t.test("what nobody asks for is no fault, and what somebody requires is", async (t) => {
  const reader = readVariables({ COUNT: "none" }, TABLE);
  t.equal(reader.required("PROXY"), undefined);
  t.equal(reader.required("MODE"), "a");
  t.same(reader.faults, [{ name: "PROXY", message: "is required" }]);
});

t.test("other programs have the environment without the secrets of the table", async (t) => {
  const env = { PASSWORD: randomBytes(8).toString("hex"), HOME: "/home/ann", MODE: "b" };
  t.same(readVariables(env, TABLE).inheritable(), { HOME: "/home/ann", MODE: "b" });
});

t.test("values that are there, all of them or some", async (t) => {
  t.same(complete({ a: 1, b: false, c: "" }), { a: 1, b: false, c: "" });
  t.equal(complete({ a: 1, b: undefined }), undefined);
  t.same(present({ a: 0, b: undefined }), { a: 0 });
});
