// SPDX-License-Identifier: Apache-2.0
// `import` imports secrets in bulk from files, exports and Kubernetes Secrets.
import { checksum } from "../../../hooks/checksum.ts";
import { decryptWith, isEncrypted, linesOf } from "../age.ts";
import type { AgentCalls } from "../agent/agent-api-calls.ts";
import { command } from "../arguments.ts";
import { batchesOf, type Outcome, reportOutcomes, sendBatches } from "../batches.ts";
import { namedSecrets, selectedSecrets } from "../cluster/kubernetes-secrets.ts";
import type { Context } from "../context.ts";
import { CommandFailed } from "../exit-codes.ts";
import { createFileReader } from "../input/files.ts";
import { type ImportInput, readBundle, toImported } from "../input/import-file.ts";

const MAX_FILE_BYTES = 256 * 1024 * 1024;
const SHOWN = ["created", "changed", "unchanged", "skipped", "failed"];

export const importSecrets = command({
  name: "import",
  summary: "write many secrets, from files or Kubernetes Secrets",
  operands: [{ name: "FILE", required: false, many: true, completes: "file" }],
  options: {
    "from-secret": {
      type: "string",
      value: "NAME",
      multiple: true,
      help: "a Kubernetes Secret of the namespace; may be repeated",
    },
    selector: {
      type: "string",
      short: "l",
      value: "LABELS",
      help: "the Kubernetes Secrets with these labels; not those that come from the token",
    },
    format: {
      type: "string",
      value: "FORMAT",
      choices: ["json", "env"],
      help: "json or env (default: by the file's name)",
    },
    name: { type: "string", value: "NAME", help: "the secret's name, where the source holds one" },
    identity: {
      type: "string",
      short: "i",
      value: "FILE",
      multiple: true,
      completes: "file",
      help: "a file with private keys of age, for an encrypted export",
    },
    "if-exists": {
      type: "string",
      value: "WHAT",
      choices: ["skip", "replace", "fail"],
      help: "what becomes of one that holds something else: skip (default), replace or fail",
    },
    "dry-run": { type: "boolean", help: "check and compare, and write nothing" },
    path: { type: "boolean", help: "names are whole paths, not ones below secrets/NAMESPACE/" },
  },
  notes: [
    'A .json file holds an export, or the keys of one secret, or secrets by name: {"db": {"user": "app"}}.',
    "A .env file is one secret; its name is the file's without .env. - is standard input.",
  ],
  async run(context, { options, operands: files }) {
    const fromCluster = options["from-secret"].length > 0 || options.selector !== undefined;
    if (files.length === 0 && !fromCluster) {
      throw new CommandFailed("usage", "nothing to import: FILE, --from-secret or --selector");
    }
    if (
      options.name !== undefined &&
      (files.length + options["from-secret"].length !== 1 || options.selector !== undefined)
    ) {
      throw new CommandFailed("usage", "--name goes with one FILE or one --from-secret");
    }
    const read = await readFiles(context, files, options);
    const found = fromCluster ? await readCluster(context, options) : { incoming: [], left: [] };
    read.push(...found.incoming);
    refuseRepeated(read);
    const ifExists = ifExistsOf(options["if-exists"]);
    const agent = await context.agent("write");
    if (options["dry-run"]) {
      const planned = await plan(agent, read, ifExists);
      return reportOutcomes(context, [...planned, ...found.left], SHOWN, { dryRun: true });
    }
    const batches = batchesOf(read.map(toImported), ({ data }) => JSON.stringify(data).length);
    const { outcomes, stopped } = await sendBatches(context, batches, "imported", (secrets) =>
      agent.import({ secrets, ifExists }),
    );
    const exit = await reportOutcomes(context, [...outcomes, ...found.left], SHOWN, { stopped });
    if (stopped !== undefined) {
      await context.output.note("Run it again to go on: what is written already is then unchanged.");
    }
    return exit;
  },
});

type IfExists = "skip" | "replace" | "fail";

const ifExistsOf = (text: string | undefined): IfExists =>
  text === "replace" || text === "fail" ? text : "skip";

const readFiles = async (
  context: Context,
  paths: readonly string[],
  options: { format: string | undefined; name: string | undefined; identity: string[]; path: boolean },
): Promise<ImportInput[]> => {
  const files = createFileReader(context.io);
  const identities: string[] = [];
  for (const path of options.identity) identities.push(...linesOf((await files.read(path)).toString("utf8")));
  const found: ImportInput[] = [];
  for (const path of paths) {
    const contents = await files.read(path, { maxBytes: MAX_FILE_BYTES });
    const encrypted = isEncrypted(contents);
    if (encrypted && identities.length === 0) {
      throw new CommandFailed("usage", `${path} is encrypted: give the private key with --identity`);
    }
    const plain = encrypted ? await decryptWith(identities, contents, path) : contents;
    const format = options.format === "env" || options.format === "json" ? options.format : undefined;
    found.push(
      ...(await readBundle(path, plain, {
        // What was encrypted is an export, whatever its file is called.
        format: format ?? (encrypted && !/\.env\.age$/i.test(path) ? "json" : undefined),
        name: options.name,
        pathOf: (name) => context.pathOf(name, options.path),
      })),
    );
  }
  return found;
};

/** The Secrets of the namespace, and what is said of those that are not sent. */
const readCluster = async (
  context: Context,
  options: { "from-secret": string[]; selector: string | undefined; name: string | undefined; path: boolean },
): Promise<{ incoming: ImportInput[]; left: Outcome[] }> => {
  const { name, selector } = options;
  const namespace = await context.namespace();
  const pathOf = (own: string) => context.pathOf(own, options.path);
  const named = await namedSecrets(context.kubectl, namespace, options["from-secret"], (own) =>
    pathOf(name ?? own),
  );
  if (selector === undefined) return { incoming: named, left: [] };
  const { incoming, skipped, failed } = await selectedSecrets(context.kubectl, namespace, selector, pathOf);
  const leftAs = (outcome: string) => (one: { path: string; why: string }) => ({
    path: one.path,
    outcome,
    message: one.why,
  });
  return {
    incoming: [...named, ...incoming],
    left: [...skipped.map(leftAs("skipped")), ...failed.map(leftAs("failed"))],
  };
};

const refuseRepeated = (read: readonly ImportInput[]): void => {
  const seen = new Map<string, string>();
  for (const { path, source } of read) {
    const before = seen.get(path);
    if (before !== undefined) {
      throw new CommandFailed(
        "usage",
        `${path} is given twice, by ${before} and ${source}; nothing was sent`,
      );
    }
    seen.set(path, source);
  }
};

/** What an import would come to, by the checksums of a list. */
const plan = async (
  agent: AgentCalls,
  read: readonly ImportInput[],
  ifExists: IfExists,
): Promise<Outcome[]> => {
  const present = new Map((await agent.list("")).map((row) => [row.path, row.checksum]));
  return read.map(({ path, data }) => {
    const before = present.get(path);
    if (before === undefined) return { path, outcome: "created" };
    if (before === checksum(data)) return { path, outcome: "unchanged" };
    if (ifExists === "replace") return { path, outcome: "changed" };
    return ifExists === "fail"
      ? { path, outcome: "failed", message: "it holds something else already" }
      : { path, outcome: "skipped", message: "it holds something else already" };
  });
};
