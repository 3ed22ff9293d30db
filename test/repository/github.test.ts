// SPDX-License-Identifier: Apache-2.0
// Tests the issue forms and the dependency updates' configuration: the hosting site ignores a form that it can't parse.
import { existsSync, globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import t from "tap";
import { parse } from "yaml";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (file: string): unknown => parse(readFileSync(`${root}${file}`, "utf8"));
const Text = Type.String({ minLength: 1 });
const strict = { additionalProperties: false };

const validations = Type.Optional(Type.Object({ required: Type.Boolean() }, strict));
const described = { label: Text, description: Type.Optional(Text) };
/** https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests/syntax-for-issue-forms */
const Form = Type.Object(
  {
    name: Text,
    description: Text,
    labels: Type.Array(Text),
    body: Type.Array(
      Type.Union([
        Type.Object(
          { type: Type.Literal("markdown"), attributes: Type.Object({ value: Text }, strict) },
          strict,
        ),
        Type.Object(
          {
            type: Type.Literal("textarea"),
            id: Text,
            attributes: Type.Object({ ...described, render: Type.Optional(Text) }, strict),
            validations,
          },
          strict,
        ),
        Type.Object(
          {
            type: Type.Literal("dropdown"),
            id: Text,
            attributes: Type.Object(
              { ...described, multiple: Type.Optional(Type.Boolean()), options: Type.Array(Text) },
              strict,
            ),
            validations,
          },
          strict,
        ),
      ]),
    ),
  },
  strict,
);

t.test("every form of an issue is one, and names files that are there", async (t) => {
  const forms = globSync(".github/ISSUE_TEMPLATE/*.yaml", { cwd: root });
  t.ok(forms.length > 1);
  for (const file of forms) {
    const form = read(file);
    if (!Value.Check(Form, form)) {
      const { path, message } = Value.Errors(Form, form).First() ?? {};
      t.fail(`${file}: ${path} ${message}`);
      continue;
    }
    const ids = form.body.flatMap((item) => ("id" in item ? [item.id] : []));
    t.equal(new Set(ids).size, ids.length, `${file}: ids are told apart`);
    for (const [path] of JSON.stringify(form).matchAll(/\bdocs\/[\w/.-]*\w|\b[A-Z]+\.md\b/g)) {
      t.ok(existsSync(`${root}${path}`), `${file}: ${path}`);
    }
  }
});

const Updates = Type.Object({
  version: Type.Literal(2),
  updates: Type.Array(
    Type.Object({
      "package-ecosystem": Text,
      directory: Type.Literal("/"),
      schedule: Type.Object({ interval: Text }),
      "commit-message": Type.Object({ prefix: Text }),
    }),
  ),
});

t.test("updates are proposed for all that is here to be updated", async (t) => {
  const proposed = Value.Decode(Updates, read(".github/dependabot.yml")).updates;
  const sources = { npm: "package.json", "github-actions": ".github/workflows", docker: "Dockerfile" };
  t.same(proposed.map((one) => one["package-ecosystem"]).sort(), Object.keys(sources).sort());
  for (const file of Object.values(sources)) t.ok(existsSync(`${root}${file}`), file);
});
