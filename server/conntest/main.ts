// SPDX-License-Identifier: Apache-2.0
// Runs `conntest`: logs in as the bot would, prints each step, and logs out again.
import { MATRIX_VARIABLES, type MatrixConfig, parseMatrixConfig } from "../config/matrix.ts";
import { startupTable } from "../config/startup-table.ts";
import type { Environment } from "../config/variables.ts";
import { createMatrixHttp } from "../matrix/http.ts";
import { createHttpExchange, type HttpExchange } from "../matrix/http-exchange.ts";
import { logIn, logOut } from "../matrix/login/log-in.ts";
import type { LogInDeps, LogInStage, LogInStep, Session } from "../matrix/login/outcome.ts";
import { ownerRefusal, whoAmI } from "../matrix/login/token.ts";
import { type ConntestOptions, readOptions, USAGE } from "./options.ts";

export type ConntestIo = {
  stdout(text: string): void;
  stderr(text: string): void;
  /** Milliseconds since the epoch. */
  now?: () => number;
};

/** What `conntest` exits with. */
export const EXIT_CODES = {
  passed: 0,
  configuration: 1,
  keycloak: 2,
  jwt: 3,
  matrix: 4,
} as const satisfies Record<LogInStage | "passed", number>;
export type ConntestExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES];

/** The same each time: what a test that was killed left behind goes with the next one. */
const DEVICE = { deviceId: "KEYSWITCH-CONNTEST", displayName: "Keyswitch connection test" };

/** Claims that people look at first; `--verbose` shows all. */
const SHOWN_CLAIMS = ["iss", "aud", "azp", "sub", "preferred_username", "exp", "iat"];

/** Prints a line. */
type Say = (line: string) => void;

/** @param args what follows `conntest` on the command line */
export const runConntest = async (
  args: readonly string[],
  env: Environment,
  io: ConntestIo,
): Promise<ConntestExitCode> => {
  const read = readOptions(args);
  if (!read.ok) {
    io.stderr(`keyswitch conntest: ${read.message}\n\n${USAGE}`);
    return EXIT_CODES.configuration;
  }
  const { options } = read;
  if (options.help) {
    io.stdout(USAGE);
    return EXIT_CODES.passed;
  }
  const effective = {
    ...env,
    ...(options.method !== undefined && { AUTH_METHOD: options.method }),
    ...(options.loginType !== undefined && { JWT_LOGIN_TYPE: options.loginType }),
  };
  // Names of users and devices are a server's word: control characters of it must not reach a terminal.
  const say = (line: string) => io.stdout(`${printable(line)}\n`);
  const config = checkConfiguration(effective, say);
  return config === undefined
    ? EXIT_CODES.configuration
    : tryLogIn(config, { options, say, now: io.now ?? Date.now });
};

/** Undefined where it has faults, which are then told. */
const checkConfiguration = (env: Environment, say: Say): MatrixConfig | undefined => {
  say("Configuration");
  for (const line of startupTable(env, MATRIX_VARIABLES)) say(`  ${line}`);
  const parsed = parseMatrixConfig(env);
  if (!parsed.ok) {
    for (const { name, message } of parsed.faults) say(`  FAILED: ${name} ${message}`);
    return undefined;
  }
  for (const warning of parsed.config.warnings) say(`  warning: ${warning}`);
  return parsed.config;
};

const tryLogIn = async (
  config: MatrixConfig,
  { options, say, now }: { options: ConntestOptions; say: Say; now: () => number },
): Promise<ConntestExitCode> => {
  const plain = createHttpExchange({ ...(config.caFile !== undefined && { caFile: config.caFile }) });
  const exchange = options.verbose ? told(plain, say) : plain;
  const deps: LogInDeps = {
    http: createMatrixHttp({ homeserver: config.homeserver, exchange }),
    exchange,
    now,
    onStep: (step) => {
      for (const line of describeStep(step, options)) say(line);
    },
  };
  try {
    const outcome = await logIn(config, deps, { ...DEVICE, skipDecode: options.skipDecode });
    if (!outcome.ok) {
      say(`FAILED (${outcome.stage}): ${outcome.reason}`);
      if (outcome.retry) say("Trying again later may help.");
      return EXIT_CODES[outcome.stage];
    }
    const passed = await useSession(outcome.session, config.auth.method === "token", deps, say);
    say(passed ? "PASSED" : "FAILED (matrix)");
    return passed ? EXIT_CODES.passed : EXIT_CODES.matrix;
  } finally {
    await plain.close();
  }
};

/** Asks who the session is, then ends it; a token of the configuration's is left as it is. */
const useSession = async (session: Session, isOwn: boolean, deps: LogInDeps, say: Say): Promise<boolean> => {
  say(`Matrix log-in: ${session.userId}, device ${session.deviceId}`);
  const owner = await whoAmI(deps, session.accessToken);
  say(owner.ok ? `Who am I: ${owner.userId}` : `Who am I: FAILED. ${ownerRefusal(owner.fault).reason}`);
  if (isOwn) {
    say("Log-out: left out, the access token stays valid");
    return owner.ok;
  }
  const gone = await logOut(deps, session.accessToken);
  say(
    gone
      ? "Log-out: the device is removed"
      : `Log-out: FAILED. Remove the device ${session.deviceId} with another client.`,
  );
  return owner.ok && gone;
};

const describeStep = (step: LogInStep, { verbose }: ConntestOptions): string[] => {
  switch (step.step) {
    case "keycloak-token":
      return [
        `Keycloak token: received${step.expiresInSeconds === undefined ? "" : `, valid for ${step.expiresInSeconds} s`}`,
      ];
    case "jwt":
      return [
        "JWT header",
        ...entries(step.header),
        "JWT claims",
        ...entries(step.claims, verbose ? undefined : SHOWN_CLAIMS),
        ...step.notes.map((note) => `  note: ${note}`),
      ];
    case "login-form":
      return [`Single sign-on: name and password sent to ${step.origin}`];
    case "login-token":
      return ["Single sign-on: the homeserver gave a login token"];
  }
};

const entries = (record: Readonly<Record<string, unknown>>, names = Object.keys(record)): string[] =>
  names
    .filter((name) => record[name] !== undefined)
    .map((name) => `  ${name}: ${JSON.stringify(record[name])}${timeOf(name, record[name])}`);

const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");

const timeOf = (name: string, value: unknown): string => {
  const isTime = (name === "exp" || name === "iat") && typeof value === "number";
  const date = isTime ? new Date(value * 1000) : undefined;
  return date === undefined || Number.isNaN(date.getTime()) ? "" : ` (${date.toISOString()})`;
};

/** An exchange that tells each request: method, address without its query, and the status. */
const told = (exchange: HttpExchange, say: Say): HttpExchange => ({
  async send(request) {
    const reply = await exchange.send(request);
    const { origin, pathname } = request.url;
    say(`  > ${request.method} ${origin}${pathname}: ${reply.ok ? reply.status : reply.what}`);
    return reply;
  },
  close: () => exchange.close(),
});
