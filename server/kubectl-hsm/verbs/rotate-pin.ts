// SPDX-License-Identifier: Apache-2.0
// `rotate-pin` changes the token's PIN, and then the Secret from which the agent reads it.
import { isObjectName } from "../../../hooks/formats.ts";
import { whyNoPin } from "../../config/pin-line.ts";
import { bodyOf } from "../agent/answer.ts";
import { command } from "../arguments.ts";
import { readPinSecret, writePin } from "../cluster/pin-secret.ts";
import type { Context } from "../context.ts";
import { CommandFailed } from "../exit-codes.ts";
import { createFileReader, pinOf } from "../input/files.ts";
import { askTwice } from "../input/terminal.ts";

const DEFAULT_SECRET = "keyswitch-pkcs11";
const MAX_PIN_FILE = 4096;

export const rotatePin = command({
  name: "rotate-pin",
  summary: "change the token's PIN, and the Secret that holds it",
  operands: [],
  options: {
    "current-pin-file": {
      type: "string",
      value: "FILE",
      completes: "file",
      help: "read the PIN that is in use from FILE (or -) in place of asking for it",
    },
    "new-pin-file": { type: "string", value: "FILE", completes: "file", help: "the same for the new PIN" },
    "pin-secret": {
      type: "string",
      value: "NAME",
      help: `the Secret to change, key pin (default: the one that the agent's pod mounts, else ${DEFAULT_SECRET})`,
    },
    "agent-only": {
      type: "boolean",
      help: "leave the Secret as it is; the agent then needs the new PIN by hand",
    },
  },
  notes: [
    "The agent compares the current PIN with the one in its file and never tries a wrong one on the token.",
    "Several agents with one Secret need tokens with one PIN: rotate each with --agent-only, the last one without.",
  ],
  async run(context, { options }) {
    const pinSecret = options["pin-secret"];
    if (pinSecret !== undefined && !isObjectName(pinSecret)) {
      throw new CommandFailed("usage", "--pin-secret must be a Secret's name");
    }
    const { current, next } = await readPins(context, options);
    checkNew(current, next);
    const { agent, pod } = await context.connection("write");
    const namespace = context.config.keyswitchNamespace;
    const name = pinSecret ?? pod?.pinSecret ?? DEFAULT_SECRET;
    const secret = options["agent-only"] ? undefined : await readPinSecret(context.kubectl, namespace, name);
    bodyOf(await agent.setPin(current, next), "the PIN was not changed");
    if (secret === undefined) {
      await context.output.result({ pin: "changed", secret: null }, [
        "The token's PIN is changed. Put the new one into the agent's PIN file (PKCS11_PIN_FILE) now.",
      ]);
      return "done";
    }
    try {
      await writePin(context.kubectl, secret, next);
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error;
      throw new CommandFailed(
        "partial",
        `the token has the NEW PIN, but the Secret ${namespace}/${name} still has the old one. Put the new one into it: scripts/credentials.sh --apply --rotate --only pin. ${error.message}`,
      );
    }
    await context.output.result({ pin: "changed", secret: `${namespace}/${name}` }, [
      `The token's PIN is changed, and the Secret ${namespace}/${name} holds the new one.`,
    ]);
    return "done";
  },
});

const readPins = async (
  context: Context,
  options: { "current-pin-file": string | undefined; "new-pin-file": string | undefined },
): Promise<{ current: string; next: string }> => {
  const files = createFileReader(context.io);
  const fromFile = async (path: string, option: string) =>
    pinOf(await files.read(path, { maxBytes: MAX_PIN_FILE, what: option }), option);
  const terminal = () => {
    const found = context.terminal();
    if (found === undefined) {
      throw new CommandFailed(
        "usage",
        "there is no terminal to ask at: use --current-pin-file and --new-pin-file",
      );
    }
    return found;
  };
  const currentFile = options["current-pin-file"];
  const newFile = options["new-pin-file"];
  const current =
    currentFile === undefined
      ? (await terminal().askHidden("Current PIN (not shown): ")).toString("utf8")
      : await fromFile(currentFile, "--current-pin-file");
  const next =
    newFile === undefined
      ? (await askTwice(terminal(), "New PIN", "PINs")).toString("utf8")
      : await fromFile(newFile, "--new-pin-file");
  return { current, next };
};

/** The bounds of the agent's API; the token has its own, and says so. */
const checkNew = (current: string, next: string): void => {
  if (current === "") throw new CommandFailed("usage", "the current PIN is empty");
  if (next.length < 4 || next.length > 255) {
    throw new CommandFailed("usage", "the new PIN must have 4 to 255 characters");
  }
  if (/[^\x20-\x7e]/.test(next)) {
    throw new CommandFailed(
      "usage",
      "the new PIN must be printable ASCII: nothing else can be typed everywhere",
    );
  }
  const fault = whyNoPin(next);
  if (fault !== undefined) throw new CommandFailed("usage", `the new PIN ${fault}`);
  if (current === next) throw new CommandFailed("usage", "the new PIN is the current one");
};
