// SPDX-License-Identifier: Apache-2.0
// Parses the command line and the variables of `bot setup`.
import { parseArgs } from "node:util";
import { MATRIX_VARIABLES, type MatrixConfig, readMatrix } from "../../config/matrix.ts";
import { laterFile } from "../../config/variable-table.ts";
import { type ConfigResult, deepFreeze, type Environment, readVariables } from "../../config/variables.ts";

export const USAGE = `usage: node main.js bot setup [--reset]

Makes, once, what a bot that has lost its volume gets its identity back from: cross-signing keys for the bot's account,
secret storage for them on the homeserver, and the recovery key that opens it. It reads the bot's MATRIX_ variables and
AUTH_METHOD, needs no cluster, does not touch the bot's store and leaves no device behind.

The recovery key is printed on standard output, alone and once; everything else is said on standard error. Where
MATRIX_RECOVERY_KEY_FILE names a file with a key, that key is used and none is printed: running it again does no harm.

  --reset      replace the account's cross-signing keys and secret storage by new ones: when their recovery key is lost.
               Whoever had verified the bot has to do it again
  -h, --help   show this

exit codes: 0 done, 1 not done, and standard error says what to do
`;

export type SetupOptions = { readonly reset: boolean; readonly help: boolean };

/** Undefined where the arguments can't be read. */
export const readSetupOptions = (args: readonly string[]): SetupOptions | undefined => {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        reset: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    return values;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (!code.startsWith("ERR_PARSE_ARGS_")) throw error;
    return undefined;
  }
};

export type SetupConfig = {
  readonly matrix: MatrixConfig;
  /** It need not be there yet. */
  readonly recoveryKeyFile?: string;
};

const SETUP_VARIABLES = {
  ...MATRIX_VARIABLES,
  MATRIX_RECOVERY_KEY_FILE: laterFile({ description: "file with the recovery key, if there is one already" }),
};

export const parseSetupConfig = (env: Environment): ConfigResult<SetupConfig> => {
  const reader = readVariables(env, SETUP_VARIABLES);
  const matrix = readMatrix(reader);
  const recoveryKeyFile = reader.value("MATRIX_RECOVERY_KEY_FILE");
  if (matrix === undefined || reader.faults.length > 0) return { ok: false, faults: reader.faults };
  return {
    ok: true,
    config: deepFreeze({ matrix, ...(recoveryKeyFile !== undefined && { recoveryKeyFile }) }),
  };
};
