// SPDX-License-Identifier: Apache-2.0
// Loads PATH_POLICY_FILE (JSON or YAML), validates it as a whole, and reloads it when it changes.
import { Value } from "@sinclair/typebox/value";
import type { Logger } from "pino";
import { parse as parseYaml, YAMLError } from "yaml";
import { PathPolicy, ruleFault } from "../../hooks/path-policy.ts";
import { type Parsed, rereadFiles } from "../config/reread-file.ts";

/** At most this many faults of a policy are named. */
const MAX_FAULTS = 10;

/** The policy that a file's bytes hold. A message names the fields that are wrong, not their values. */
export const loadPathPolicy = (contents: Buffer): Parsed<PathPolicy> => {
  // Emptied by mistake, or not written yet.
  if (contents.toString("utf8").trim() === "") {
    return { ok: false, message: "is empty; a policy without rules is []" };
  }
  let document: unknown;
  try {
    // JSON is a subset of YAML 1.2. No aliases: a small file can't grow by them. The level "silent" would hide errors.
    document = parseYaml(contents.toString("utf8"), { maxAliasCount: 0, logLevel: "error" }) ?? [];
  } catch (error) {
    const line = error instanceof YAMLError ? error.linePos?.[0].line : undefined;
    return { ok: false, message: `is neither JSON nor YAML${line === undefined ? "" : ` (line ${line})`}` };
  }
  const faults = faultsOf(document);
  if (Value.Check(PathPolicy, document) && faults.length === 0) return { ok: true, value: document };
  return {
    ok: false,
    message: `is not a path policy: ${[...new Set(faults)].slice(0, MAX_FAULTS).join("; ")}`,
  };
};

/** What is wrong with a policy, each fault with its field. */
const faultsOf = (document: unknown): string[] => {
  if (!Value.Check(PathPolicy, document)) {
    return [...Value.Errors(PathPolicy, document)].map(
      ({ path, message }) => `${fieldName(path)}: ${message}`,
    );
  }
  return document.flatMap((rule, index) => {
    const [field, why] = ruleFault(rule) ?? [];
    return field === undefined ? [] : [`[${index}].${field}: ${why}`];
  });
};

/** `/0/prefix` as `[0].prefix`. */
const fieldName = (pointer: string): string =>
  pointer === "" ? "document" : pointer.replace(/\/(\d+)/g, "[$1]").replaceAll("/", ".");

/** The policy in force, and what is wrong with the file as it is now. */
export type PathPolicySource = { get(): PathPolicy; fault(): string | undefined };

/** The policy of a file, or without a file the empty one, which adds nothing to what a namespace may do. */
export const pathPolicySource = (
  file: string | undefined,
  logger: Logger,
  /** Milliseconds, monotonic: paces the looks at the file. */
  now?: () => number,
): PathPolicySource => {
  if (file === undefined) return { get: () => [], fault: () => undefined };
  return rereadFiles({
    paths: [file],
    ...(now !== undefined && { now }),
    parse: loadPathPolicy,
    onFault: (message) => logger.error({ variable: "PATH_POLICY_FILE" }, message),
    onChange: (policy) => logger.info({ rules: policy.length }, "path policy read again"),
  });
};
