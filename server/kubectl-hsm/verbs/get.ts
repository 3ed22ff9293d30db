// SPDX-License-Identifier: Apache-2.0
// `get` shows a secret's keys and metadata, and its values only on request.
import { toBase64, toBase64Map } from "../../../hooks/formats.ts";
import type { StoredSecret } from "../agent/agent-api-calls.ts";
import { command } from "../arguments.ts";
import { CommandFailed } from "../exit-codes.ts";
import { isPlainText, write } from "../io.ts";

export const get = command({
  name: "get",
  summary: "show a secret's keys, or a value with --key or --show",
  operands: [{ name: "NAME", required: true, completes: "secret" }],
  options: {
    key: {
      type: "string",
      short: "k",
      value: "KEY",
      help: "write this key's value as it is, and nothing else",
    },
    show: { type: "boolean", help: "print every value" },
    fresh: { type: "boolean", help: "read the token anew before answering" },
    path: { type: "boolean", help: "NAME is a whole path, not one below secrets/NAMESPACE/" },
  },
  async run(context, { options, operands: [name = ""] }) {
    if (options.key !== undefined && (options.show || options.output !== undefined)) {
      throw new CommandFailed("usage", "--key writes the value alone: it takes neither --show nor -o");
    }
    const path = await context.pathOf(name, options.path);
    const agent = await context.agent("read");
    const secret = await agent.read(path, { fresh: options.fresh });
    if (secret === undefined) throw new CommandFailed("absent", `there is nothing at ${path}`);
    if (options.key !== undefined) {
      const value = secret.data.get(options.key);
      if (value === undefined) throw new CommandFailed("absent", `${path} has no such key`);
      await write(context.io.stdout, value);
      return "done";
    }
    const { data, checksum, version, device, layout, metadata } = secret;
    const entries = [...data].sort(([a], [b]) => (a < b ? -1 : 1));
    const keys = entries.map(([key, value]) => ({ key, bytes: value.length }));
    const shown = options.show && { data: toBase64Map(entries) };
    await context.output.result({ path, checksum, version, device, layout, metadata, keys, ...shown }, [
      ...describingLines(secret),
      "keys:",
      ...entries.flatMap(([key, value]) => [
        `  ${key}   ${value.length} B`,
        ...(options.show ? shownValue(value) : []),
      ]),
    ]);
    return "done";
  },
});

/** All but its keys. */
const describingLines = ({ path, device, version, checksum, layout, metadata }: StoredSecret): string[] => {
  const labels = Object.entries(metadata?.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return [
    `path:         ${path}`,
    `device:       ${device}`,
    `version:      ${version}`,
    `checksum:     ${checksum}`,
    ...(layout === undefined ? [] : [`layout:       ${layout}`]),
    ...(metadata?.description === undefined ? [] : [`description:  ${metadata.description}`]),
    ...(labels.length === 0 ? [] : [`labels:       ${labels.join(", ")}`]),
  ];
};

/** Text as it is, everything else as base64; indented below its key. */
const shownValue = (value: Uint8Array): string[] => {
  const text = Buffer.from(value).toString("utf8");
  const lines =
    Buffer.from(text).equals(value) && isPlainText(text)
      ? text.replaceAll("\t", "    ").split("\n")
      : [`base64: ${toBase64(value)}`];
  return lines.map((line) => `    ${line}`);
};
