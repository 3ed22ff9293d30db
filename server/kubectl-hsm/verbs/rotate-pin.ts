// SPDX-License-Identifier: Apache-2.0
// `rotate-pin` changes the token's PIN, and then the Secret from which the agent reads it; or that of all tokens of an HSMDevice.
import { isObjectName } from "../../../hooks/formats.ts";
import { whyNoPin } from "../../config/pin-line.ts";
import { bodyOf } from "../agent/answer.ts";
import { command } from "../arguments.ts";
import { readPinSecret, writePin } from "../cluster/pin-secret.ts";
import type { Context } from "../context.ts";
import { CommandFailed, type ExitName } from "../exit-codes.ts";
import { createFileReader, pinOf } from "../input/files.ts";
import { askTwice, type Terminal } from "../input/terminal.ts";
import { oneLine } from "../io.ts";
import { rotateHsmDevicePin } from "../pin-rotation/hsm-device-pin.ts";

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
    "hsm-device": {
      type: "string",
      value: "NAME",
      help: "all agents of this HSMDevice, one after the other; goes on where it was cut",
    },
    "agent-only": {
      type: "boolean",
      help: "leave the Secret as it is; the agent then needs the new PIN by hand",
    },
  },
  notes: [
    "The agent compares the current PIN with the one in its file and never tries a wrong one on the token.",
    "Several agents with one Secret need tokens with one PIN: rotate each with --agent-only, the last one without.",
    "Those of an HSMDevice go together: --hsm-device, which takes the current PINs from the Secret.",
  ],
  async run(context, { options }) {
    const hsmDevice = options["hsm-device"];
    return hsmDevice === undefined
      ? rotateOne(context, options)
      : rotateHsmDevice(context, hsmDevice, options);
  },
});

type Options = {
  "current-pin-file": string | undefined;
  "new-pin-file": string | undefined;
  "pin-secret": string | undefined;
  "agent-only": boolean;
  agent: string | undefined;
};

const rotateHsmDevice = (context: Context, hsmDevice: string, options: Options): Promise<ExitName> => {
  const needless = [options["current-pin-file"], options["pin-secret"], options.agent];
  if (options["agent-only"] || needless.some((value) => value !== undefined)) {
    throw new CommandFailed(
      "usage",
      "--hsm-device goes with --new-pin-file alone: the Secret is the HSMDevice's, and has the current PINs",
    );
  }
  return rotateHsmDevicePin(context, hsmDevice, (given) => newPinOf(context, options["new-pin-file"], given));
};

const rotateOne = async (context: Context, options: Options): Promise<ExitName> => {
  const pinSecret = options["pin-secret"];
  if (pinSecret !== undefined && !isObjectName(pinSecret)) {
    throw new CommandFailed("usage", "--pin-secret must be a Secret's name");
  }
  const { current, next } = await readPins(context, options);
  if (current === "") throw new CommandFailed("usage", "the current PIN is empty");
  checkNew(next);
  if (current === next) throw new CommandFailed("usage", "the new PIN is the current one");
  const { agent, pod } = await context.connection("write");
  if (pod?.hsmDevice !== undefined && !options["agent-only"]) {
    throw new CommandFailed(
      "usage",
      `the agent is one of the HSMDevice ${oneLine(pod.hsmDevice)}, whose agents have one PIN: use --hsm-device. Nothing was changed`,
    );
  }
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
};

/** The new PIN of an HSMDevice, checked. */
const newPinOf = async (
  context: Context,
  file: string | undefined,
  given: "in a file" | "or asked for",
): Promise<string | undefined> => {
  if (file === undefined && (given === "in a file" || context.terminal() === undefined)) return undefined;
  const next = await readNewPin(context, file);
  checkNew(next);
  return next;
};

const terminalOf = (context: Context): Terminal => {
  const found = context.terminal();
  if (found === undefined) {
    throw new CommandFailed(
      "usage",
      "there is no terminal to ask at: use --current-pin-file and --new-pin-file",
    );
  }
  return found;
};

type FileReader = ReturnType<typeof createFileReader>;

const pinFromFile = async (files: FileReader, path: string, option: string): Promise<string> =>
  pinOf(await files.read(path, { maxBytes: MAX_PIN_FILE, what: option }), option);

const readNewPin = async (
  context: Context,
  file: string | undefined,
  files = createFileReader(context.io),
): Promise<string> =>
  file === undefined
    ? (await askTwice(terminalOf(context), "New PIN", "PINs")).toString("utf8")
    : pinFromFile(files, file, "--new-pin-file");

const readPins = async (
  context: Context,
  options: Pick<Options, "current-pin-file" | "new-pin-file">,
): Promise<{ current: string; next: string }> => {
  const files = createFileReader(context.io);
  const currentFile = options["current-pin-file"];
  const current =
    currentFile === undefined
      ? (await terminalOf(context).askHidden("Current PIN (not shown): ")).toString("utf8")
      : await pinFromFile(files, currentFile, "--current-pin-file");
  return { current, next: await readNewPin(context, options["new-pin-file"], files) };
};

/** The bounds of the agent's API; the token has its own, and says so. */
const checkNew = (next: string): void => {
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
};
