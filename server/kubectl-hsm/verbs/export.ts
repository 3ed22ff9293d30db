// SPDX-License-Identifier: Apache-2.0
// `export`: secrets with their values, encrypted to somebody's key; plain only where that is asked for.
import { checksumOfBase64 } from "../../../hooks/checksum.ts";
import type { ExportBody, ExportedSecret } from "../../agent-api/schema.ts";
import { encryptTo, linesOf } from "../age.ts";
import { type AgentCalls, toPutBody } from "../agent/agent-api-calls.ts";
import { command } from "../arguments.ts";
import type { Context } from "../context.ts";
import { CommandFailed } from "../exit-codes.ts";
import { createFileReader } from "../input/files.ts";
import { writePrivateFile } from "../input/write-file.ts";
import { write } from "../io.ts";
import { safeJson } from "../output.ts";

export const exportSecrets = command({
  name: "export",
  summary: "write secrets with their values to a file, encrypted with age",
  operands: [{ name: "NAME", required: false, many: true, completes: "secret" }],
  options: {
    recipient: {
      type: "string",
      short: "r",
      value: "AGE-KEY",
      multiple: true,
      help: "encrypt to this public key of age (age1…); may be repeated",
    },
    "recipients-file": {
      type: "string",
      short: "R",
      value: "FILE",
      multiple: true,
      completes: "file",
      help: "encrypt to the public keys in FILE, one a line",
    },
    armor: { type: "boolean", short: "a", help: "encrypted as text (PEM), in place of binary" },
    plain: { type: "boolean", help: "do not encrypt" },
    show: { type: "boolean", help: "with --plain and without --file: yes, to the terminal" },
    file: {
      type: "string",
      short: "f",
      value: "FILE",
      completes: "file",
      help: "write to FILE, for its owner alone (default: standard output)",
    },
    force: { type: "boolean", help: "overwrite FILE" },
    "all-namespaces": { type: "boolean", short: "A", help: "everything on the token" },
    path: { type: "boolean", help: "NAMEs are whole paths, not ones below secrets/NAMESPACE/" },
  },
  notes: [
    "kubectl hsm export -A -r age1… -f backup.age",
    "kubectl hsm import -i key.txt backup.age reads it again, and so does `age -d -i key.txt backup.age`.",
  ],
  async run(context, { options, operands }) {
    const everything = options["all-namespaces"];
    if (everything && operands.length > 0) throw new CommandFailed("usage", "NAME and -A exclude each other");
    if (options.path && operands.length === 0) throw new CommandFailed("usage", "--path needs a NAME");
    const recipients = await readRecipients(context, options);
    if (options.plain === recipients.length > 0)
      throw new CommandFailed(
        "usage",
        options.plain
          ? "--plain and recipients exclude each other"
          : "an export is encrypted: say to whom with -r or -R, or --plain",
      );
    // Before anything is read: a key that is not one must not be found out after half of the work.
    const seal = async (text: string) =>
      options.plain ? Buffer.from(text) : encryptTo(recipients, text, options.armor);
    await seal("");
    if (
      options.file === undefined &&
      context.io.stdout.isTTY &&
      !options.armor &&
      !(options.plain && options.show)
    )
      throw new CommandFailed(
        "usage",
        "standard output is a terminal: use --file, a pipe, --armor, or --plain --show to see every value",
      );
    const named = await Promise.all(operands.map((name) => context.pathOf(name, options.path)));
    const prefix = everything || options.path ? "" : `secrets/${await context.namespace()}/`;
    const agent = await context.agent("write");
    const { device, secrets } =
      named.length === 0 ? await agent.export(prefix) : await readNamed(agent, named);
    const damaged = secrets.find(({ data, checksum }) => checksumOfBase64(data) !== checksum);
    if (damaged !== undefined)
      throw new CommandFailed(
        "unreachable",
        `the agent's answer for ${damaged.path} does not fit its checksum`,
      );
    const sealed = await seal(safeJson({ device, secrets }));
    if (options.file === undefined) await write(context.io.stdout, sealed);
    else await writePrivateFile(options.file, sealed, options.force);
    await context.output.note(
      `${secrets.length} ${secrets.length === 1 ? "secret" : "secrets"} exported from ${device}${options.plain ? ", not encrypted" : ""}`,
    );
    return "done";
  },
});

/** The named ones alone, in their order. */
const readNamed = async (agent: AgentCalls, paths: readonly string[]): Promise<ExportBody> => {
  const secrets: ExportedSecret[] = [];
  let device = "";
  for (const path of new Set(paths)) {
    const secret = await agent.read(path);
    if (secret === undefined) throw new CommandFailed("absent", `there is nothing at ${path}`);
    const { data, metadata, checksum, version } = secret;
    device = secret.device;
    secrets.push({ path, ...toPutBody(data), ...(metadata && { metadata }), checksum, version });
  }
  return { device, secrets };
};

const readRecipients = async (
  context: Context,
  options: { recipient: string[]; "recipients-file": string[] },
): Promise<string[]> => {
  const files = createFileReader(context.io);
  const read: string[] = [];
  for (const path of options["recipients-file"]) {
    const lines = linesOf((await files.read(path)).toString("utf8"));
    if (lines.length === 0) throw new CommandFailed("usage", `${path} holds no recipient`);
    read.push(...lines);
  }
  return [...options.recipient, ...read];
};
