// SPDX-License-Identifier: Apache-2.0
// Defines the settings and reports of the encryption tests' bot, and starts it.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import { createNotifier } from "../../../scripts/local/notifier.ts";
import type { IdentityChange } from "../../../server/bot/chat.ts";
import type { BotStore } from "../../../server/bot/store.ts";
import type { CrossSigningOutcome } from "../../../server/matrix/crypto/cross-signing/cross-sign.ts";
import type { EncryptionOptions } from "../../../server/matrix/crypto/encryption.ts";
import type { CryptoEngine } from "../../../server/matrix/crypto/engine.ts";
import type { TrustPolicy, Verdict } from "../../../server/matrix/crypto/identity-pins.ts";
import type { MessageOrigin } from "../../../server/matrix/crypto/message-origins.ts";

export type BotSettings = {
  readonly url: string;
  readonly userId: string;
  readonly deviceId: string;
  readonly accessToken: string;
  readonly folder: string;
  readonly policy: TrustPolicy;
  readonly allowedUsers: readonly string[];
  readonly identities?: readonly { user: string; masterKey: string }[];
  readonly recoveryKey?: string;
  readonly acknowledges?: boolean;
};

export type BotReport =
  | {
      readonly kind: "ready";
      readonly fingerprint: string;
      readonly outcome: CrossSigningOutcome;
      readonly memory: Readonly<Record<string, number>>;
    }
  | {
      readonly kind: "message";
      readonly text: string;
      readonly verdict: Verdict;
      readonly origin?: MessageOrigin;
    }
  | { readonly kind: "answered"; readonly text: string; readonly memory: number }
  | { readonly kind: "change"; readonly change: IdentityChange }
  | { readonly kind: "undecryptable"; readonly event: string }
  | { readonly kind: "sdk-error" | "log"; readonly text: string };

export const encryptionOptions = (
  { folder, userId, deviceId, policy, allowedUsers, identities = [] }: BotSettings,
  engine: CryptoEngine,
  store: BotStore,
  logger: Logger,
): Omit<EncryptionOptions, "onIdentityChange"> => ({
  engine,
  store,
  folder,
  userId,
  deviceId,
  logger,
  trust: { policy, allowedUsers, identities },
});

type Kind = BotReport["kind"];
type ReportOf<K extends Kind> = Extract<BotReport, { kind: K }>;

export type RunningBot = {
  readonly process: ChildProcess;
  readonly reports: readonly BotReport[];
  /** The first report of a kind that fits, whether it came already or will. @throws Error when it does not come in time */
  report<K extends Kind>(kind: K, fits?: (report: ReportOf<K>) => boolean): Promise<ReportOf<K>>;
  kill(): Promise<void>;
};

const PROGRAM = fileURLToPath(new URL("crypto-bot.ts", import.meta.url));

export const startBot = (settings: BotSettings): RunningBot => {
  const child = fork(PROGRAM, [JSON.stringify(settings)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const reports: BotReport[] = [];
  const notifier = createNotifier();
  let hasEnded = false;
  child.on("message", (report: BotReport) => {
    reports.push(report);
    notifier.notify();
  });
  child.once("exit", () => {
    hasEnded = true;
    notifier.notify();
  });
  return {
    process: child,
    reports,
    report(kind, fits = () => true) {
      type Wanted = ReportOf<typeof kind>;
      const isWanted = (report: BotReport): report is Wanted =>
        report.kind === kind && fits(report as Wanted);
      const seen = () =>
        `Reported:\n${reports
          .slice(-9)
          .map((one) => JSON.stringify(one))
          .join("\n")}`;
      const find = () => {
        const found = reports.find(isWanted);
        if (found === undefined && hasEnded) throw new Error(`the bot ended without “${kind}”. ${seen()}`);
        return found;
      };
      return notifier.until(`the bot reports “${kind}”`, find, { seen });
    },
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
};
