// SPDX-License-Identifier: Apache-2.0
// The CAs of the agents' and of discovery's certificates and their tokens, from the Secrets that scripts/credentials.sh makes.
import { fromBase64 } from "../../../hooks/formats.ts";
import { parseTokens } from "../../config/token-file.ts";
import { CommandFailed } from "../exit-codes.ts";
import type { Kubectl } from "./kubectl.ts";

/** One key of a Secret. The key alone is asked for, so that a private key beside it is not even printed. */
const secretKey = async (kubectl: Kubectl, namespace: string, name: string, key: string): Promise<Buffer> => {
  const path = `jsonpath={.data.${key.replaceAll(".", "\\.")}}`;
  const base64 = await kubectl.run([
    "get",
    "secret",
    name,
    "-n",
    namespace,
    "-o",
    path,
    "--ignore-not-found",
  ]);
  if (base64.trim() === "") {
    throw new CommandFailed(
      "unreachable",
      `the Secret ${namespace}/${name} is missing, or has no key ${key}`,
    );
  }
  return fromBase64(base64);
};

export const agentCa = (kubectl: Kubectl, namespace: string): Promise<string> =>
  secretKey(kubectl, namespace, "keyswitch-agent-tls", "ca.crt").then((pem) => pem.toString("utf8"));

/** What discovery is asked with. */
export const discoveryCredentials = async (
  kubectl: Kubectl,
  namespace: string,
): Promise<{ ca: string; bearerToken: string }> => {
  const [ca, bearerToken] = await Promise.all([
    secretKey(kubectl, namespace, "keyswitch-discovery-tls", "ca.crt"),
    secretKey(kubectl, namespace, "keyswitch-discovery-token", "read"),
  ]);
  const named = `the Secret ${namespace}/keyswitch-discovery-token, key read,`;
  return { ca: ca.toString("utf8"), bearerToken: firstToken(bearerToken, named) };
};

export const agentToken = async (
  kubectl: Kubectl,
  namespace: string,
  scope: "read" | "write",
): Promise<string> => {
  const contents = await secretKey(kubectl, namespace, "keyswitch-agent-token", scope);
  return firstToken(contents, `the Secret ${namespace}/keyswitch-agent-token, key ${scope},`);
};

/** The first token of a token file; a name before it is for the agent's log, and is not sent. */
export const firstToken = (contents: Buffer, what: string): string => {
  const parsed = parseTokens(contents);
  if (!parsed.ok) throw new CommandFailed("usage", `${what} ${parsed.message}`);
  return parsed.value[0].bearerToken;
};
