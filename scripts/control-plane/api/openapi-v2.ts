// SPDX-License-Identifier: Apache-2.0
// Serves openapi/v2 as an empty document; kubectl then leaves a v1 List, and kinds made in the same call, to the server.
import type { ServerResponse } from "node:http";

const title = "Kubernetes";
const version = "v1.32.0";

/** A length-delimited protobuf field; lengths here stay below 128. */
const field = (number: number, bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);

/** The Document message of gnostic's openapiv2: swagger is field 1, info is field 2 with title and version. */
const protobufDocument = (): Buffer => {
  const info = Buffer.concat([field(1, Buffer.from(title)), field(2, Buffer.from(version))]);
  return Buffer.concat([field(1, Buffer.from("2.0")), field(2, info)]);
};

/** Sends the document as the request accepts it; kubectl asks for protobuf. */
export const sendOpenApiV2 = (response: ServerResponse, accept: string): void => {
  const isProtobuf = accept.includes("protobuf");
  const bytes = isProtobuf
    ? protobufDocument()
    : Buffer.from(JSON.stringify({ swagger: "2.0", info: { title, version }, paths: {}, definitions: {} }));
  response.writeHead(200, {
    "content-type": isProtobuf
      ? "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
      : "application/json",
    "content-length": bytes.length,
  });
  response.end(bytes);
};
