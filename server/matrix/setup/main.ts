// SPDX-License-Identifier: Apache-2.0
// Runs `bot setup`: logs in as the bot would, sets its account up, says where the recovery key goes, and logs out again.
import { readFileSync } from "node:fs";
import type { Environment } from "../../config/variables.ts";
import { jsonOf } from "../../json.ts";
import { decodeRecoveryKey, encodeRecoveryKey } from "../crypto/cross-signing/recovery-key.ts";
import type { HomeserverRequests } from "../crypto/homeserver-requests.ts";
import { createMatrixHttp } from "../http.ts";
import { createHttpExchange, type HttpExchange } from "../http-exchange.ts";
import { logIn, logOut } from "../login/log-in.ts";
import type { LogInDeps } from "../login/outcome.ts";
import { parseSetupConfig, readSetupOptions, type SetupConfig, USAGE } from "./options.ts";
import { type NotSetUp, type SetUpOutcome, setUpAccount } from "./set-up-account.ts";

export type SetupIo = {
  /** The recovery key alone. */
  stdout(text: string): void;
  stderr(text: string): void;
};

/** The same each time: what a run that was killed left behind goes with the next one. */
const DEVICE = { deviceId: "KEYSWITCH-SETUP", displayName: "Keyswitch setup" };

const TIMEOUT_MS = 30_000;

const WHERE_IT_GOES = `The recovery key above is shown this once. Put it into the Secret keyswitch-bot, key recovery-key; with the key in a file:
  printf '{"stringData":{"recovery-key":"%s"}}' "$(cat recovery-key)" |
    kubectl --namespace keyswitch patch secret keyswitch-bot --patch-file /dev/stdin
Keep another copy where you keep such things, delete the file, and set in the bot's environment:
  MATRIX_RECOVERY_KEY_FILE=/etc/keyswitch/bot/recovery-key
`;

const RESTART = "kubectl --namespace keyswitch rollout restart deployment keyswitch-bot";

const WHAT_TO_DO: Readonly<Record<NotSetUp, string>> = {
  "storage-elsewhere":
    "the account has secret storage already, and its recovery key was not given: name its file in MATRIX_RECOVERY_KEY_FILE and run this again. If the key is lost, --reset makes everything anew",
  "wrong-recovery-key":
    "the key in MATRIX_RECOVERY_KEY_FILE does not open the account's secret storage: correct the file. If the right key is lost, --reset makes everything anew",
  "password-needed":
    'the homeserver wants the account\'s password before it takes an identity, and has not got the right one: run this again with AUTH_METHOD=password. At Synapse an administrator can also allow a replacement without a password for ten minutes, with\n  curl -X POST -H "Authorization: Bearer $ADMIN_TOKEN" "$MATRIX_HOMESERVER/_synapse/admin/v1/users/$USER_ID/_allow_cross_signing_replacement_without_uia"\nWhere a recovery key was printed above, give it in the file that MATRIX_RECOVERY_KEY_FILE names',
  unavailable:
    "the homeserver did not answer, or refused. Run this again, after --reset with --reset; otherwise with the recovery key above, if one was printed, in the file that MATRIX_RECOVERY_KEY_FILE names",
};

/** @param args what follows `setup` on the command line. Answers the exit code. */
export const runSetup = async (args: readonly string[], env: Environment, io: SetupIo): Promise<number> => {
  const options = readSetupOptions(args);
  if (options === undefined || options.help) {
    io.stderr(options === undefined ? `keyswitch bot setup: the arguments can't be read\n\n${USAGE}` : USAGE);
    return options === undefined ? 1 : 0;
  }
  const parsed = parseSetupConfig(env);
  if (!parsed.ok) {
    for (const { name, message } of parsed.faults) io.stderr(`keyswitch bot setup: ${name} ${message}\n`);
    return 1;
  }
  const given = readGivenKey(parsed.config.recoveryKeyFile);
  if (given === "unreadable") {
    io.stderr(
      "keyswitch bot setup: MATRIX_RECOVERY_KEY_FILE holds no recovery key, or one with a typing error\n",
    );
    return 1;
  }
  const outcome = await setUp(parsed.config, { recoveryKey: given, reset: options.reset }, io);
  if (outcome === undefined) return 1;
  io.stderr(conclusion(outcome));
  return outcome.kind === "not-set-up" ? 1 : 0;
};

/** A file that is not there, or empty, is one that is still to be made. */
const readGivenKey = (path: string | undefined): Uint8Array | undefined | "unreadable" => {
  if (path === undefined) return undefined;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    return isMissing ? undefined : "unreadable";
  }
  return text.trim() === "" ? undefined : (decodeRecoveryKey(text) ?? "unreadable");
};

/** Undefined where it can't log in, which is then told. */
const setUp = async (
  { matrix }: SetupConfig,
  given: { recoveryKey: Uint8Array | undefined; reset: boolean },
  io: SetupIo,
): Promise<SetUpOutcome | undefined> => {
  const exchange = createHttpExchange({ ...(matrix.caFile !== undefined && { caFile: matrix.caFile }) });
  const http = createMatrixHttp({ homeserver: matrix.homeserver, exchange });
  const deps: LogInDeps = { http, exchange, now: Date.now };
  try {
    const login = await logIn(matrix, deps, DEVICE);
    if (!login.ok) {
      io.stderr(`keyswitch bot setup: ${login.reason}\n`);
      return undefined;
    }
    const { userId, accessToken } = login.session;
    try {
      return await setUpAccount({
        ...given,
        request: requestsWith(exchange, matrix.homeserver, accessToken),
        user: userId,
        password: matrix.auth.method === "password" ? matrix.auth.password.reveal() : undefined,
        print(key) {
          io.stdout(`${encodeRecoveryKey(key)}\n`);
          io.stderr(WHERE_IT_GOES);
        },
      });
    } finally {
      // The configuration's own token is the bot's.
      if (matrix.auth.method !== "token") await logOut(deps, accessToken);
    }
  } finally {
    await exchange.close();
  }
};

const conclusion = (outcome: SetUpOutcome): string => {
  if (outcome.kind === "not-set-up") return `keyswitch bot setup: ${WHAT_TO_DO[outcome.why]}\n`;
  if (outcome.kind === "up-to-the-bot") {
    return `The account has an identity already, whose private keys the running bot has. With the recovery key it stores them:
  ${RESTART}
Then the check "backup" of /readyz is ok. If it is not, or "device" is not, the bot has not got them: setup --reset.
`;
  }
  return outcome.already
    ? "The account is set up already, and the recovery key is the right one: nothing was changed.\n"
    : `The account is set up. A bot that runs already takes its new identity after a restart:
  ${RESTART}
`;
};

/** Not by MatrixHttp, which has no use for what a refusal says: here it says how to authenticate. */
const requestsWith =
  (exchange: HttpExchange, homeserver: string, accessToken: string): HomeserverRequests =>
  async (method, path, body) => {
    const reply = await exchange.send({
      method,
      url: new URL(`${homeserver}/_matrix/client/v3/${path}`),
      headers: { authorization: `Bearer ${accessToken}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      timeoutMs: TIMEOUT_MS,
      repeatable: true,
    });
    return reply.ok ? { status: reply.status, body: jsonOf(reply.body) } : { status: 0, body: undefined };
  };
