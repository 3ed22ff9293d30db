// SPDX-License-Identifier: Apache-2.0
// Sets up a room of four users and a bot whose Toggles need approval.
import { createAccess } from "../../server/bot/access.ts";
import { APPROVALS_ANNOTATION } from "../../server/bot/approval.ts";
import type { Authorship } from "../../server/bot/chat.ts";
import type { CommandRunner } from "../../server/bot/runner.ts";
import { ALICE, BOB, makeWorld, ROOM, toggleNamed } from "./world.ts";

export const CAROL = "@carol:example.org";
export const DAVE = "@dave:example.org";
export const REASON = `"stop" in chat room ${ROOM}`;

/** Four users, and a room that they share with the bot. `needs`: what each Toggle's annotation says. */
export const setUp = (needs: Readonly<Record<string, string>> = { web: "2" }) => {
  const toggles = Object.entries(needs).map(([name, need]) =>
    toggleNamed(name, {}, need === "" ? {} : { [APPROVALS_ANNOTATION]: need }),
  );
  const world = makeWorld(toggles);
  const access = createAccess([ALICE, BOB, CAROL, DAVE]);
  const live = (mayGoOn?: () => boolean) => world.live(mayGoOn, { access });
  let { runner } = live();
  const message = (text: string, sender = ALICE, more: Parameters<typeof world.message>[1] = {}) =>
    world.message(text, { direct: false, sender, ...more });
  const answers = () => world.said.filter(({ transaction }) => !transaction.endsWith("-ask-approval"));
  return {
    world,
    message,
    answers,
    questions: () => world.said.filter(({ transaction }) => transaction.endsWith("-ask-approval")),
    /** Something that is said, and the bot's last answer that is no question. */
    async say(...said: Parameters<typeof message>): Promise<string | undefined> {
      const one = message(...said);
      runner.accept(one, { resumed: true });
      await world.pass(0);
      return answers().at(-1)?.text;
    },
    async react(sender: string, authorship: Authorship = "plain", id = `$by-${sender}`): Promise<void> {
      runner.confirm(world.said[0]?.id ?? "", { id, sender, room: ROOM, authorship });
      await world.pass(0);
    },
    async redact(id: string): Promise<void> {
      runner.redacted(ROOM, id);
      await world.pass(0);
    },
    /** `first` is done before anything else of the new process. */
    async restart(awayMs = 0, first: (runner: CommandRunner) => void = () => {}): Promise<void> {
      await runner.close();
      await world.pass(awayMs);
      ({ runner } = live());
      runner.start();
      first(runner);
      await world.pass(0);
    },
    live,
    annotate(name: string, annotations: Record<string, string>): void {
      const toggle = world.toggles.get(name);
      if (toggle === undefined) throw new Error(`there is no ${name}`);
      world.toggles.set(name, { ...toggle, metadata: { ...toggle.metadata, annotations } });
    },
  };
};
export type Scene = ReturnType<typeof setUp>;

export const codeOf = ({ questions }: Scene, at = 0): string =>
  /approve ([a-z0-9]{5})$/m.exec(questions()[at]?.text ?? "")?.[1] ?? "none";
export const shown = ({ questions }: Scene): string | undefined => questions()[0]?.edits.at(-1);
