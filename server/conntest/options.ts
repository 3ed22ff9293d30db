// SPDX-License-Identifier: Apache-2.0
// Parses the command line of `conntest`.
import { parseArgs } from "node:util";

export type ConntestOptions = {
  /** Replaces JWT_LOGIN_TYPE. */
  loginType?: string;
  /** Replaces AUTH_METHOD. */
  method?: string;
  skipDecode: boolean;
  verbose: boolean;
  help: boolean;
};

export const USAGE = `usage: node main.js conntest [options]

Logs in to the homeserver with the bot's variables, and out again. It needs no cluster, does not touch the bot's
store and leaves no device behind.

  -t, --login-type TYPE    instead of JWT_LOGIN_TYPE: com.famedly.login.token.oauth, com.famedly.login.token
                           or org.matrix.login.jwt
  -m, --auth-method METHOD instead of AUTH_METHOD: password, jwt, sso or token
  -s, --skip-decode        send the JWT without looking into it
  -v, --verbose            show every claim of the JWT, and each request (never its query, headers or body)
  -h, --help               show this

exit codes: 0 passed, 1 configuration, 2 Keycloak, 3 JWT, 4 Matrix
`;

/** The options, or a sentence about what is wrong with them. */
export const readOptions = (
  args: readonly string[],
): { ok: true; options: ConntestOptions } | { ok: false; message: string } => {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        "login-type": { type: "string", short: "t" },
        "auth-method": { type: "string", short: "m" },
        "skip-decode": { type: "boolean", short: "s", default: false },
        verbose: { type: "boolean", short: "v", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    const { "login-type": loginType, "auth-method": method } = values;
    return {
      ok: true,
      options: {
        ...(loginType !== undefined && { loginType }),
        ...(method !== undefined && { method }),
        skipDecode: values["skip-decode"],
        verbose: values.verbose,
        help: values.help,
      },
    };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (!code.startsWith("ERR_PARSE_ARGS_")) throw error;
    return { ok: false, message: MESSAGES[code] ?? "the options can't be read" };
  }
};

const MESSAGES: Readonly<Record<string, string>> = {
  ERR_PARSE_ARGS_UNKNOWN_OPTION: "there is an option that is not known",
  ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL: "only options are taken",
  ERR_PARSE_ARGS_INVALID_OPTION_VALUE: "an option lacks its value, or has one too many",
};
