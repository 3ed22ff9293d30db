// SPDX-License-Identifier: Apache-2.0
// Runs a table of requests that must be rejected, and checks code, message and Status.
import type { Json } from "../../api/json.ts";
import type { RunningServer } from "./running-server.ts";

/** What is wrong, where it is posted, the body, the code and the message. */
export type Refusal = [sentence: string, path: string, body: Json, code: number, message: string | RegExp];

type Checks = {
  equal: (found: unknown, wanted: unknown, message: string) => boolean;
  match: (found: unknown, pattern: unknown, message: string) => boolean;
};

/** Posts every row. */
export const checkRefusals = async (t: Checks, server: RunningServer, rows: Refusal[]): Promise<void> => {
  for (const [sentence, path, body, code, message] of rows) {
    const answer = await server.call("POST", path, body);
    t.equal(answer.code, code, sentence);
    const text = String(answer.body.message);
    if (typeof message === "string") t.equal(text, message, `${sentence}: message`);
    else t.match(text, message, `${sentence}: message`);
    t.match(
      answer.body,
      { kind: "Status", apiVersion: "v1", status: "Failure", code },
      `${sentence}: status`,
    );
  }
};
