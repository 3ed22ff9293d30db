// SPDX-License-Identifier: Apache-2.0
// Implements trust on first use: pins the identity of each allowed user, reports changes, and decides who is obeyed then.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Logger } from "pino";
import type { IdentityChange, RefusalReason } from "../../bot/chat.ts";
import type { BotStore } from "../../bot/store.ts";
import type { MessageOrigin } from "./message-origins.ts";

export type TrustPolicy = "warn" | "refuse";

export type Verdict = { readonly obey: true } | { readonly obey: false; readonly reason: RefusalReason };

export type IdentityPinsOptions = {
  readonly store: BotStore;
  readonly logger: Logger;
  readonly policy: TrustPolicy;
  readonly allowedUsers: readonly string[];
  /** What the operator accepts; it counts more than a pin. By user: the public master key. */
  readonly accepted: ReadonlyMap<string, string>;
  /** The master key that the crypto machine knows of a user. */
  masterKey(user: string): Promise<string | undefined>;
  /**
   * Called once for each change, and again after a restart unless it was acknowledged. It must not wait for a message to be
   * sent: it is called while the machine is being told its news.
   */
  onChange(change: IdentityChange): void;
};

export type IdentityPins = {
  /** Looks at the identities anew. To be called at the start and whenever the machine has learned of identities. */
  check(): Promise<void>;
  /** The change was told in the room, and needs not be told again. */
  acknowledge(change: IdentityChange): void;
  verdict(sender: string, origin: MessageOrigin | undefined): Verdict;
  /**
   * Whether a message is certain to be its sender's, whatever the policy: the device is signed by the identity that the
   * operator accepts, or by the first that was seen. With `warn` one that has changed since needs the operator.
   */
  isProven(sender: string, origin: MessageOrigin | undefined): boolean;
};

const Pin = Type.Object({
  pinned: Type.String(),
  /** How many changes there were. */
  changes: Type.Optional(Type.Integer({ minimum: 0 })),
  /** The last identity that differed from the trusted one: its change has been found. */
  differed: Type.Optional(Type.String()),
  /** A change that nobody has acknowledged. */
  untold: Type.Optional(Type.Object({ number: Type.Integer(), from: Type.String(), to: Type.String() })),
});

type Pin = Static<typeof Pin>;

const consequence = (policy: TrustPolicy, isObeyed: boolean): string => {
  if (policy === "warn") return "TRUST_POLICY=warn: the user is obeyed all the same";
  return isObeyed
    ? "the user has the trusted one now, and is obeyed"
    : "the user is not obeyed until TRUSTED_IDENTITIES has the new key";
};

const refuse = (reason: RefusalReason): Verdict => ({ obey: false, reason });

/** The pins by user, as the store has them. */
const pinsIn = (store: BotStore) => ({
  load(user: string): Pin | undefined {
    const bytes = store.get("identities", user);
    const pin: unknown = bytes && JSON.parse(Buffer.from(bytes).toString());
    return Value.Check(Pin, pin) ? pin : undefined;
  },
  save: (user: string, pin: Pin): void => store.put("identities", user, JSON.stringify(pin)),
});

/** Warns of a device once. */
const createDeviceWarning = (logger: Logger) => {
  const warned = new Set<string>();
  return (user: string, device: string | undefined): void => {
    const name = `${user} ${device ?? ""}`;
    if (warned.has(name)) return;
    warned.add(name);
    logger.warn(
      { user, device },
      "a command came from a device that its owner's identity has not signed; TRUST_POLICY=warn: it is obeyed",
    );
  };
};

/** The pin of a user who has the trusted identity `key`; undefined where it stays as it is. */
const trustedPin = (known: Pin | undefined, key: string): Pin | undefined => {
  // A user who is back at the trusted identity, and changes it again, is worth another warning.
  if (known?.pinned === key && known.differed === undefined) return undefined;
  const { differed: _, ...rest } = known ?? {};
  return { ...rest, pinned: key };
};

/**
 * The pin of a user whose identity `key` is not the trusted one; undefined where that was found before. `operators`: the one
 * that the operator accepts.
 */
const changedPin = (
  known: Pin | undefined,
  key: string,
  { trusted, operators, policy }: { trusted: string; operators: string | undefined; policy: TrustPolicy },
): Pin | undefined => {
  if (known?.differed === key) return undefined;
  const isObeyed = policy === "warn";
  const number = (known?.changes ?? 0) + 1;
  return {
    pinned: isObeyed ? key : (known?.pinned ?? trusted),
    // Where the pin follows, the next look finds nothing different, unless the operator's list still says otherwise.
    ...((!isObeyed || operators !== undefined) && { differed: key }),
    changes: number,
    untold: { number, from: trusted, to: key },
  };
};

export const createIdentityPins = (options: IdentityPinsOptions): IdentityPins => new StoredPins(options);

class StoredPins implements IdentityPins {
  readonly #options: IdentityPinsOptions;
  readonly #pins: ReturnType<typeof pinsIn>;
  /** The identities as the machine last knew them. */
  readonly #current = new Map<string, string>();
  /** Changes that were told since the start, by id. */
  readonly #told = new Set<string>();
  readonly #warnOfDevice: ReturnType<typeof createDeviceWarning>;

  constructor(options: IdentityPinsOptions) {
    this.#options = options;
    this.#pins = pinsIn(options.store);
    this.#warnOfDevice = createDeviceWarning(options.logger);
  }

  async check(): Promise<void> {
    for (const user of this.#options.allowedUsers) {
      const key = await this.#options.masterKey(user);
      if (key !== undefined) {
        this.#current.set(user, key);
        this.#checkUser(user, key);
      }
      const untold = this.#pins.load(user)?.untold;
      if (untold) this.#tell(user, untold);
    }
  }

  acknowledge({ user, to }: IdentityChange): void {
    const pin = this.#pins.load(user);
    if (pin?.untold?.to !== to) return;
    const { untold: _, ...rest } = pin;
    this.#pins.save(user, rest);
  }

  verdict(sender: string, origin: MessageOrigin | undefined): Verdict {
    const { policy } = this.#options;
    if (origin === undefined) return refuse("not-encrypted");
    if (origin.state === "mismatched" || origin.sender !== sender) return refuse("mismatched-sender");
    const trusted = this.#trustedOf(sender);
    if (trusted === undefined) return { obey: true };
    if (policy === "refuse" && this.#current.get(sender) !== trusted) return refuse("identity-changed");
    if (origin.state === "signed") return { obey: true };
    if (policy === "refuse") return refuse("unsigned-device");
    this.#warnOfDevice(sender, origin.device);
    return { obey: true };
  }

  isProven(sender: string, origin: MessageOrigin | undefined): boolean {
    const { policy, accepted } = this.#options;
    const current = this.#current.get(sender);
    if (origin?.state !== "signed" || origin.sender !== sender || current === undefined) return false;
    const pin = this.#pins.load(sender);
    const isFollowed = policy === "warn" && !accepted.has(sender) && (pin?.changes ?? 0) > 0;
    return current === this.#trustedOf(sender) && !isFollowed;
  }

  /** What the operator accepts counts more than what was pinned. */
  #trustedOf(user: string): string | undefined {
    return this.#options.accepted.get(user) ?? this.#pins.load(user)?.pinned;
  }

  #checkUser(user: string, key: string): void {
    const { policy, accepted, logger } = this.#options;
    const known = this.#pins.load(user);
    const operators = accepted.get(user);
    const trusted = operators ?? known?.pinned;
    const isTrusted = trusted === undefined || trusted === key;
    const pin = isTrusted ? trustedPin(known, key) : changedPin(known, key, { trusted, operators, policy });
    if (pin === undefined) return;
    if (known === undefined && isTrusted) {
      logger.info({ user, masterKey: key }, "an allowed user's identity was pinned");
    }
    this.#pins.save(user, pin);
  }

  #tell(user: string, untold: NonNullable<Pin["untold"]>): void {
    const { policy, logger, onChange } = this.#options;
    const { number, from, to } = untold;
    const id = `${user} ${number}`;
    if (this.#told.has(id)) return;
    this.#told.add(id);
    // As it is now: the operator may have accepted it since, or the user is back at the one before.
    const isObeyed = policy === "warn" || (this.#current.get(user) ?? to) === this.#trustedOf(user);
    logger.warn(
      { user, from, to, obeyed: isObeyed },
      `an allowed user's identity has changed; ${consequence(policy, isObeyed)}`,
    );
    onChange({ id, user, from, to, isObeyed });
  }
}
