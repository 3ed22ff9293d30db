// SPDX-License-Identifier: Apache-2.0
// Defines the tour's steps for one secret and its HSMSecret: read, changed, edited, deleted and unreachable.
import { isDeepStrictEqual } from "node:util";
import { eventually } from "./local/eventually.ts";
import { plainData, readyOf, secretOf, statusOf } from "./local/hsmsecret-view.ts";
import type { Stack } from "./local/stack.ts";
import type { Meanwhile } from "./tour-ownership.ts";
import { freshValue, hsmSecret, NAMESPACE, type Step, type ValuesSeen } from "./tour-step.ts";

/** The name of the HSMSecret and of its Secret. */
export const NAME = "database";
/** Where the token has it. */
export const PATH = `secrets/${NAMESPACE}/${NAME}`;

/** What the token holds at PATH, as the steps change it. */
export class Database {
  readonly #stack: Stack;
  readonly #seconds: number;
  readonly values: ValuesSeen;
  content: Readonly<Record<string, string>>;

  constructor(stack: Stack, seconds: number, values: ValuesSeen) {
    this.#stack = stack;
    this.#seconds = seconds;
    this.values = values;
    this.content = { username: "app", password: values.next() };
  }

  /** Changes the token's content, at once. */
  async put(content: Readonly<Record<string, string>> = this.content): Promise<void> {
    this.content = content;
    await this.#stack.token.put(PATH, content);
  }

  secret() {
    return secretOf(this.#stack.kubectl, NAMESPACE, NAME);
  }

  status() {
    return statusOf(this.#stack.kubectl, NAMESPACE, NAME);
  }

  forceSync(): Promise<string> {
    const annotation = `hsm.j5t.io/force-sync=${freshValue()}`;
    return this.#stack.kubectl(["annotate", "-n", NAMESPACE, "hsmsecret", NAME, "--overwrite", annotation]);
  }

  /** Waits until the Secret holds the token's content and the status is as `ready` says. */
  async settled(ready: string, meanwhile: Meanwhile = async () => {}): Promise<void> {
    let last = "";
    await eventually(
      `the Secret holds the token's content and the status says ${ready}`,
      async () => {
        const isSame = isDeepStrictEqual(plainData(await this.secret()), this.content);
        const status = await this.status();
        const said = readyOf(status);
        await meanwhile(status);
        last = `The Secret ${isSame ? "does" : "does not"}; the status says ${said || "nothing"}.`;
        return isSame && said === ready;
      },
      { seconds: this.#seconds, seen: () => last },
    );
  }
}

/** What the token holds reaches the Secret. */
export const readSteps = ({ kubectl, token }: Stack, database: Database): Step[] => [
  {
    title: "a secret on the token becomes a Secret",
    run: async () => {
      await database.put();
      await kubectl(["create", "namespace", NAMESPACE]);
      await kubectl(["apply", "-f", "-"], hsmSecret(NAME, { syncInterval: 5 }));
      await database.settled("True Synced");
      return `Secret ${NAMESPACE}/${NAME} from a token ${token.kind}`;
    },
  },
  {
    title: "a change on the token reaches the Secret",
    run: async () => {
      await database.put({ ...database.content, password: database.values.next(), host: "db.example" });
      await database.settled("True Synced");
      return "a changed and a new key, by the sync interval of 5 s";
    },
  },
  {
    title: "a key removed from the token leaves the Secret",
    run: async () => {
      const { host: _, ...rest } = database.content;
      await database.put(rest);
      await database.forceSync();
      await database.settled("True Synced");
      return "at once, by the annotation hsm.j5t.io/force-sync";
    },
  },
];

/** The Secret is changed and deleted by hand. */
export const repairSteps = ({ kubectl }: Stack, database: Database): Step[] => [
  {
    title: "a Secret edited by hand is put back",
    run: async () => {
      const before = (await database.secret())?.metadata.resourceVersion;
      const patch = JSON.stringify({ stringData: { password: freshValue(), added: "by hand" } });
      await kubectl(["patch", "-n", NAMESPACE, "secret", NAME, "--type=merge", "-p", patch]);
      await database.settled("True Synced");
      const after = (await database.secret())?.metadata.resourceVersion;
      if (after === before) throw new Error("the edit did not happen");
      return "the value is back and the added key is gone";
    },
  },
  {
    title: "a deleted Secret is made anew",
    run: async () => {
      await kubectl(["delete", "-n", NAMESPACE, "secret", NAME]);
      await database.settled("True Synced");
      return "with the same content";
    },
  },
];

/** The agent is stopped, and the secret goes from the token. */
export const outageSteps = (stack: Stack, database: Database): Step[] => [
  {
    title: "with the agent stopped the Secret stays and the status says so",
    run: async () => {
      const before = (await database.secret())?.metadata.resourceVersion;
      await stack.stop("agent");
      await database.forceSync();
      await database.settled("False HSMUnavailable");
      const after = (await database.secret())?.metadata.resourceVersion;
      if (after !== before) throw new Error("the Secret was written during the outage");
      return (await database.status()).syncStatus ?? "";
    },
  },
  {
    title: "with the agent back the Secret catches up",
    run: async () => {
      await database.put({ ...database.content, password: database.values.next() });
      await stack.start("agent");
      await database.settled("True Synced");
      return "with a change that was made during the outage";
    },
  },
  {
    title: "a secret missing from the token keeps its Secret",
    run: async () => {
      await stack.token.remove(PATH);
      await database.forceSync();
      await database.settled("False ObjectNotFound");
      await database.put();
      await database.forceSync();
      await database.settled("True Synced");
      return "onMissing: Retain; back in sync when it is there again";
    },
  },
];
