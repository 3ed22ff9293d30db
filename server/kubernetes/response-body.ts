// SPDX-License-Identifier: Apache-2.0
// Reads what the API server sends, whole or line by line, and no more of it than is taken.

export type Body = AsyncIterable<Uint8Array>;

/** What was read was longer than the limit. */
export class TooLong extends Error {}

/** The whole text. @throws TooLong; the connection is then closed */
export const wholeText = async (body: Body, maxBytes: number): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new TooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
};

/**
 * The lines as they come, without those that are empty.
 * @param onChunk is told each time that something arrived
 * @throws TooLong; the connection is then closed
 */
export async function* lines(
  body: Body,
  maxLineBytes: number,
  onChunk: () => void,
): AsyncGenerator<string, void, undefined> {
  let pending: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    onChunk();
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      pending.push(chunk.subarray(from, end));
      const line = Buffer.concat(pending).toString("utf8").trim();
      pending = [];
      bytes = 0;
      from = end + 1;
      if (line !== "") yield line;
    }
    bytes += chunk.length - from;
    if (bytes > maxLineBytes) throw new TooLong();
    if (from < chunk.length) pending.push(chunk.subarray(from));
  }
}
