// SPDX-License-Identifier: Apache-2.0
// Reads from an agent's metrics how many reads it has answered, and how many of them with 304.
import { request } from "undici";
import type { ServerProcess } from "../local/server-process.ts";

export interface AnsweredReads {
  readonly all: number;
  readonly unchanged: number;
}

/** So far. */
export const answeredReads = async (agent: Pick<ServerProcess, "url">): Promise<AnsweredReads> => {
  const text = await (await request(`${agent.url}/metrics`)).body.text();
  let all = 0;
  let unchanged = 0;
  for (const line of text.split("\n")) {
    const found = /^keyswitch_http_requests_total\{route="\/v1\/secrets\/\*",status="(\d+)"\} (\d+)/.exec(
      line,
    );
    all += Number(found?.[2] ?? 0);
    if (found?.[1] === "304") unchanged += Number(found[2]);
  }
  return { all, unchanged };
};
