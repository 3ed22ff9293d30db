// SPDX-License-Identifier: Apache-2.0
// Reads the bot's messages in a room from the homeserver, and matches them to commands by transaction id.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { request } from "undici";
import { ANSWER_LIMITS } from "../../../scripts/local/answer-limits.ts";
import { transactionOf } from "../../../server/bot/outbox.ts";

const Messages = Type.Object({
  chunk: Type.Array(
    Type.Object({
      event_id: Type.String(),
      type: Type.String(),
      // Shown to the device that has sent the event, alone.
      unsigned: Type.Optional(Type.Object({ transaction_id: Type.Optional(Type.String()) })),
    }),
  ),
  end: Type.Optional(Type.String()),
});

export type OwnEvents = {
  /** Ids of the events that are answers. */
  readonly answers: readonly string[];
  /** How many answers a command, by its event id, has. */
  answersTo(command: string): number;
  /** Transactions that are neither an answer, nor an edit of one, nor a last word. */
  readonly others: readonly string[];
};

/** All that the device of `accessToken` has sent to `room`. */
export const answersOnHomeserver = async (
  baseUrl: string,
  room: string,
  accessToken: string,
): Promise<OwnEvents> => {
  const sent: { id: string; transaction: string }[] = [];
  for (let from = ""; ; ) {
    const page = from === "" ? "" : `&from=${encodeURIComponent(from)}`;
    const { statusCode, body } = await request(
      `${baseUrl}/_matrix/client/v3/rooms/${encodeURIComponent(room)}/messages?dir=b&limit=500${page}`,
      { ...ANSWER_LIMITS, headers: { authorization: `Bearer ${accessToken}` } },
    );
    const answer: unknown = await body.json();
    if (!Value.Check(Messages, answer)) throw new Error(`the homeserver answered with ${statusCode}`);
    for (const { event_id: id, unsigned } of answer.chunk) {
      const transaction = unsigned?.transaction_id;
      if (transaction !== undefined) sent.push({ id, transaction });
    }
    if (answer.end === undefined || answer.chunk.length === 0) break;
    from = answer.end;
  }
  const answers = sent.filter(({ transaction }) => transaction.endsWith("-answer"));
  return {
    answers: answers.map(({ id }) => id),
    answersTo: (command) =>
      answers.filter(({ transaction }) => transaction === transactionOf(command, "answer")).length,
    others: sent.flatMap(({ transaction }) =>
      /-(answer|edit-\d+|last)$/.test(transaction) ? [] : [transaction],
    ),
  };
};
