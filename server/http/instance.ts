// SPDX-License-Identifier: Apache-2.0
// Defines the type of our fastify instance with its decorators, for modules that add routes and hooks to it.
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyBaseLogger, FastifyInstance } from "fastify";
import type { Scope } from "./auth.ts";

/** A fastify instance whose schemas are TypeBox's. */
export type KeyswitchServer = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

declare module "fastify" {
  interface FastifyContextConfig {
    /** Who may call the route; a route without it is a bug that shows when it is added. */
    scope?: Scope;
  }
  interface FastifyReply {
    /** Takes room in memory for an answer with so many bytes of values, until it is over. False: there is none now. */
    tryRoomFor(bytes: number): boolean;
    /** Waits until there is such room. False: the caller has gone meanwhile, or `signal` was aborted. */
    roomFor(bytes: number, signal?: AbortSignal): Promise<boolean>;
  }
  interface FastifyRequest {
    /** The name of the bearer token that the caller showed, where it is one of ours. */
    tokenName: string | null;
    /** Whether the caller's token may write, whatever this route asks for. */
    mayWrite: boolean;
  }
}
