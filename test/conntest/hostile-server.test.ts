// SPDX-License-Identifier: Apache-2.0
// Tests conntest with a server that answers with control characters: none of them reaches the terminal.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import t from "tap";
import { runConntest } from "../../server/conntest/main.ts";

const ESCAPE = "\u001b]0;title\u0007\u009b31m\u202e";

t.test("names of users and devices can't steer the terminal", async (t) => {
  const server = createServer((request, response) => {
    const body = request.url?.endsWith("/login")
      ? { user_id: `@bot${ESCAPE}:x`, device_id: `D${ESCAPE}`, access_token: "t" }
      : { user_id: `@bot${ESCAPE}:x` };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  for (const user of ["bot", "@bot:x"]) {
    let printed = "";
    const env = { MATRIX_HOMESERVER: `http://127.0.0.1:${port}`, MATRIX_USER: user, MATRIX_PASSWORD: "p" };
    const write = (text: string) => {
      printed += text;
    };
    await runConntest(["-v"], env, { stdout: write, stderr: write });
    t.match(printed, /@bot\?\]0;title\?\?31m\?:x/);
    t.notMatch(printed.replaceAll("\n", ""), /[\p{Cc}\p{Cf}]/u);
  }
});
