// SPDX-License-Identifier: Apache-2.0
// `export` exports secrets with their values, encrypted for a recipient; in plain text only on request.
import { checksumOfBase64 } from "../../../hooks/checksum.ts";
import type { ExportBody, ExportedSecret } from "../../agent-api/bulk-schema.ts";
import { encryptTo, linesOf } from "../age.ts";
import { type AgentCalls, toPutBody } from "../agent/agent-api-calls.ts";
import { command } from "../arguments.ts";
import type { Context } from "../context.ts";
import { CommandFailed } from "../exit-codes.ts";
import { createFileReader } from "../input/files.ts";
import { writePrivateFile } from "../input/write-file.ts";
import { type Io, write } from "../io.ts";
import type { OptionSpecs, OptionValues } from "../option-spec.ts";
import { safeJson } from "../output.ts";

const OPTIONS = {
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
} as const satisfies OptionSpecs;

type ExportOptions = OptionValues<typeof OPTIONS>;

export const exportSecrets = command({
  name: "export",
  summary: "write secrets with their values to a file, encrypted with age",
  operands: [{ name: "NAME", required: false, many: true, completes: "secret" }],
  options: OPTIONS,
  notes: [
    "kubectl hsm export -A -r age1… -f backup.age",
    "kubectl hsm import -i key.txt backup.age reads it again, and so does `age -d -i key.txt backup.age`.",
  ],
  async run(context, { options, operands }) {
    checkNames(options, operands);
    const recipients = await readRecipients(context, options);
    // Before anything is read: a key that is not one must not be found out after half of the work.
    const seal = async (text: string) =>
      options.plain ? Buffer.from(text) : encryptTo(recipients, text, options.armor);
    await seal("");
    checkTarget(options, context.io);
    const named = await Promise.all(operands.map((name) => context.pathOf(name, options.path)));
    const prefix = options["all-namespaces"] || options.path ? "" : `secrets/${await context.namespace()}/`;
    const agent = await context.agent("write");
    const { device, secrets } =
      named.length === 0 ? await agent.export(prefix) : await readNamed(agent, named);
    checkSecrets(secrets);
    const sealed = await seal(safeJson({ device, secrets }));
    if (options.file === undefined) await write(context.io.stdout, sealed);
    else await writePrivateFile(options.file, sealed, options.force);
    await context.output.note(
      `${secrets.length} ${secrets.length === 1 ? "secret" : "secrets"} exported from ${device}${options.plain ? ", not encrypted" : ""}`,
    );
    return "done";
  },
});

const checkNames = (options: ExportOptions, names: readonly string[]): void => {
  if (options["all-namespaces"] && names.length > 0) {
    throw new CommandFailed("usage", "NAME and -A exclude each other");
  }
  if (options.path && names.length === 0) throw new CommandFailed("usage", "--path needs a NAME");
};

/** Values are shown on a terminal only where that is asked for, and what is no text never. */
const checkTarget = ({ file, armor, plain, show }: ExportOptions, { stdout }: Io): void => {
  if (file === undefined && stdout.isTTY && !armor && !(plain && show)) {
    throw new CommandFailed(
      "usage",
      "standard output is a terminal: use --file, a pipe, --armor, or --plain --show to see every value",
    );
  }
};

const checkSecrets = (secrets: readonly ExportedSecret[]): void => {
  const damaged = secrets.find(({ data, checksum }) => checksumOfBase64(data) !== checksum);
  if (damaged !== undefined) {
    throw new CommandFailed(
      "unreachable",
      `the agent's answer for ${damaged.path} does not fit its checksum`,
    );
  }
};

/** The named ones alone, in their order. */
const readNamed = async (agent: AgentCalls, paths: readonly string[]): Promise<ExportBody> => {
  const secrets: ExportedSecret[] = [];
  let device = "";
  for (const path of new Set(paths)) {
    const secret = await agent.read(path);
    if (secret === undefined) throw new CommandFailed("absent", `there is nothing at ${path}`);
    const { data, metadata, checksum, version } = secret;
    device = secret.device;
    secrets.push({
      path,
      ...toPutBody(data),
      ...(metadata !== undefined && { metadata }),
      checksum,
      version,
    });
  }
  return { device, secrets };
};

/** None for --plain, and at least one without it. */
const readRecipients = async (context: Context, options: ExportOptions): Promise<string[]> => {
  const files = createFileReader(context.io);
  const recipients = [...options.recipient];
  for (const path of options["recipients-file"]) {
    const lines = linesOf((await files.read(path)).toString("utf8"));
    if (lines.length === 0) throw new CommandFailed("usage", `${path} holds no recipient`);
    recipients.push(...lines);
  }
  if (options.plain && recipients.length > 0) {
    throw new CommandFailed("usage", "--plain and recipients exclude each other");
  }
  if (!options.plain && recipients.length === 0) {
    throw new CommandFailed("usage", "an export is encrypted: say to whom with -r or -R, or --plain");
  }
  return recipients;
};
