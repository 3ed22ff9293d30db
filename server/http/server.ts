// SPDX-License-Identifier: Apache-2.0
// Builds the HTTP server that every process uses: probes, metrics, authentication, validation, error answers, request ids, and a
// close that drains it.
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { Server as HttpsServer } from "node:https";
import type { Socket } from "node:net";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { TSchema } from "@sinclair/typebox";
import Fastify, {
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
  LogController,
} from "fastify";
import type { FastifySerializerCompiler } from "fastify/types/schema.js";
import type { Logger } from "pino";
import type { Registry } from "prom-client";
import type { TlsFiles } from "../config/listener.ts";
import { isLoopback } from "../config/loopback.ts";
import { type Authenticator, type AuthOptions, createAuthenticator } from "./auth.ts";
import { certificateSource, followCertificates } from "./certificates.ts";
import { type Connections, createConnections } from "./connections.ts";
import { answerBrokenRequest, answerUnknownRoute, handleError, type RouteMethods } from "./error-handler.ts";
import { sendError } from "./errors.ts";
import type { KeyswitchServer } from "./instance.ts";
import { limitBytes, limitInFlight } from "./limits.ts";
import { addProbes, type Readiness } from "./probes.ts";
import { requestLoggers } from "./request-logger.ts";
import { createRequestMetrics } from "./request-metrics.ts";
import { TRAFFIC_LIMITS, type TrafficLimits } from "./traffic-limits.ts";
import { compileValidator, parseJsonBodies, sendInChunks } from "./validation.ts";

export type Limits = TrafficLimits & {
  /** Bodies above this many bytes are refused with 413. */
  bodyBytes: number;
  /** Hook requests of one resource worked on at once. */
  hooksInFlight: number;
  /** How long a whole request may take to arrive, in milliseconds. */
  requestTimeoutMs: number;
};

const DEFAULT_LIMITS: Limits = {
  ...TRAFFIC_LIMITS,
  bodyBytes: 8 * 1024 * 1024,
  hooksInFlight: 64,
  requestTimeoutMs: 15_000,
};

export type ServerOptions = {
  logger: Logger;
  registry: Registry;
  auth: AuthOptions;
  ready: Readiness;
  /** See ProbeOptions. */
  alive?: Readiness;
  tls?: TlsFiles;
  limits?: Partial<Limits>;
  /** How answers become text by their schemas; fastify's own way unless given, whose packages are then not even loaded. */
  serializer?: FastifySerializerCompiler<TSchema>;
};

/**
 * A server that does not listen yet. Each route must name its scope: `{ config: { scope: "read" } }`.
 * @throws UnusableFile when a token or TLS file can't be used.
 */
export const buildServer = (options: ServerOptions): KeyswitchServer => {
  const { logger, registry, ready, tls } = options;
  const limits: Limits = { ...DEFAULT_LIMITS, ...options.limits };
  const drain = createDrain();
  const connections = createConnections(limits);
  const { serverFactory, tlsServers } = createServers(tls, limits, logger, { drain, connections });
  const compilersFactory = {
    buildValidator: () => compileValidator,
    ...(options.serializer && { buildSerializer: () => options.serializer }),
  };
  const settings = { ...settingsOf(logger, limits), serverFactory };
  // Not by the setters: fastify would have loaded Ajv before. Its types know no compiler but that.
  Object.assign(settings, { schemaController: { compilersFactory } });
  // The factory makes the server; this is what fastify takes the scheme of the address that it logs and returns from.
  if (tls) Object.assign(settings, { https: {} });
  const app = Fastify(settings).withTypeProvider<TypeBoxTypeProvider>();
  app.setErrorHandler(handleError);
  app.removeAllContentTypeParsers();
  parseJsonBodies(app, "application/json");
  if (tls === undefined && options.auth.loopback) refuseOtherHosts(app);
  admitCallers(app, createAuthenticator(options.auth, logger), connections);
  limitInFlight(app, limits.hooksInFlight, (response, done) => connections.whenOver(response, done));
  limitBytes(app, limits, (response, done) => connections.whenOver(response, done));
  sendInChunks(app);
  const metrics = createRequestMetrics(registry);
  app.addHook("onResponse", (request, reply, done) => {
    metrics.observe(request, reply.statusCode, reply.elapsedTime);
    logRequest(request, reply);
    // It is most of what a request holds, and V8 may keep a request for long that has once come into its old generation.
    if (reply.raw.writableFinished) request.body = undefined;
    done();
  });
  app.addHook("preClose", async () => drain.begin());
  app.addHook("onClose", async () => connections.close());
  addProbes(app, { registry, ready, ...(options.alive !== undefined && { alive: options.alive }) });
  if (tls) {
    const stop = followCertificates(tls, tlsServers, logger, () => connections.endAll());
    app.addHook("onClose", async () => stop());
  }
  return app;
};

const settingsOf = (logger: Logger, { bodyBytes }: Limits): FastifyServerOptions<Server> => ({
  loggerInstance: logger,
  childLoggerFactory: requestLoggers(logger),
  requestIdHeader: false,
  genReqId: requestId,
  logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: "requestId" }),
  bodyLimit: bodyBytes,
  routerOptions: { maxParamLength: 1024 },
  return503OnClosing: false,
  clientErrorHandler: (error, socket) => answerBrokenRequest(error, socket, logger),
  frameworkErrors: (error, request: FastifyRequest, reply: FastifyReply) => {
    reply.header("x-request-id", request.id);
    handleError(error, request, reply);
  },
});

/** Lets callers come as far as their credentials allow. Must come before whatever takes room for a request. */
const admitCallers = (app: KeyswitchServer, allow: Authenticator, connections: Connections): void => {
  app.decorateRequest("errorCode", null);
  app.decorateRequest("tokenName", null);
  app.decorateRequest("mayWrite", false);
  const methods: RouteMethods = new Map();
  app.addHook("onRoute", ({ url, method, config }) => {
    if (config?.scope === undefined) throw new Error(`route ${url} names no scope`);
    const known = methods.get(url) ?? new Set();
    for (const one of [method].flat()) known.add(one);
    methods.set(url, known);
  });
  app.addHook("onRequest", (request, reply, done) => {
    reply.header("x-request-id", request.id);
    if (request.is404) return void answerUnknownRoute(methods, request, reply);
    const { scope } = request.routeOptions.config;
    const decision = allow(scope ?? "write", request.headers.authorization, request.raw.socket);
    request.tokenName = decision.tokenName ?? null;
    request.mayWrite = decision.ok && decision.mayWrite === true;
    if (!decision.ok) {
      if (decision.challenge !== undefined) reply.header("www-authenticate", decision.challenge);
      return void sendError(reply, decision.code);
    }
    // Metrics are served from what is kept free, as health is.
    if (scope === "open" || connections.authenticate(request.raw.socket) || scope === "metrics") {
      return done();
    }
    sendError(reply.header("connection", "close"), "TOO_BUSY", { retryAfterSeconds: 1 });
  });
};

/** The level of a request's line: quiet for what went well, since the routes log what matters about it. */
const levelOf = (request: FastifyRequest, status: number): "debug" | "info" | "warn" => {
  // A probe that fails is repeated every few seconds; what it reports is logged where it happens.
  if (status < 400 || request.routeOptions.config.scope === "open") return "debug";
  return status >= 500 ? "warn" : "info";
};

/** One line a request. */
const logRequest = (request: FastifyRequest, reply: FastifyReply): void => {
  const level = levelOf(request, reply.statusCode);
  const line = {
    method: request.method,
    route: request.routeOptions.url,
    status: reply.statusCode,
    code: request.errorCode ?? undefined,
    durationMs: Math.round(reply.elapsedTime * 10) / 10,
  };
  request.log[level](line, "request");
};

/** How servers are made; fastify makes two for a name such as localhost that has two addresses. */
const createServers = (
  tls: TlsFiles | undefined,
  limits: Limits,
  logger: Logger,
  { drain, connections }: { drain: Drain; connections: Connections },
) => {
  const tlsServers = new Set<HttpsServer>();
  const timeouts = {
    requestTimeout: limits.requestTimeoutMs,
    headersTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: Math.min(1000, limits.requestTimeoutMs),
    // Longer than the 90 s after which Go's clients, Metacontroller among them, close an idle connection themselves.
    keepAliveTimeout: 120_000,
  };
  const watched = <S extends Server>(server: S): S => {
    drain.watch(server);
    connections.watch(server);
    return server;
  };
  const serverFactory = (handle: RequestListener): Server => {
    const listener = connections.guard((request, response) => {
      connections.whenOver(response, drain.begun());
      handle(request, response);
    });
    if (tls === undefined) return watched(createServer(timeouts, listener));
    // A caller without a certificate gets through the handshake and reaches the open routes alone: see auth.ts.
    const clients = tls.clientCaFile !== undefined && { requestCert: true, rejectUnauthorized: false };
    const material = certificateSource(tls, logger, () => {}).get();
    const server = new HttpsServer({ ...timeouts, ...material, ...clients }, listener);
    tlsServers.add(server);
    return watched(server);
  };
  return { serverFactory, tlsServers };
};

const OTHER_HOST = "The Host header must name loopback: 127.0.0.1, ::1 or localhost.";

/**
 * Keeps web pages from a listener on loopback that is open to all who reach it (DNS rebinding): refuses requests whose Host is not
 * loopback. A browser sends the name of the page's own server, which may point here. Must come before whatever looks at credentials.
 */
const refuseOtherHosts = (app: KeyswitchServer): void => {
  // Callers that keep their connections name the same host each time.
  let lastAllowed: string | undefined;
  app.addHook("onRequest", (request, reply, done) => {
    const { host } = request.headers;
    if (host === undefined || host === lastAllowed) return done();
    if (isLoopback(host.replace(/:\d*$/, ""))) {
      lastAllowed = host;
      return done();
    }
    reply.header("x-request-id", request.id);
    sendError(reply, "FORBIDDEN", { message: OTHER_HOST });
  });
};

/** What an id may look like: it goes into logs and headers as it is. */
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** fastify's genReqId. */
const requestId = (request: IncomingMessage): string => {
  const given = request.headers["x-request-id"];
  return typeof given === "string" && REQUEST_ID.test(given) ? given : randomUUID();
};

/** A close does not wait longer than this for requests under way; Kubernetes kills after 30 s, main.ts gives up after 15 s. */
const LONGEST_MS = 10_000;

type Drain = {
  /** Watches the connections of one more server. */
  watch(server: Server): void;
  /** A request is under way; to call what is answered when it no longer is. */
  begun(): () => void;
  /** To be called when closing begins. Node would wait for a connection that has not sent a request yet. */
  begin(): void;
};

/** A drain of no servers yet. */
const createDrain = (): Drain => {
  const sockets = new Set<Socket>();
  let underWay = 0;
  let closing = false;
  const endAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const endIfIdle = (): void => {
    if (closing && underWay === 0) endAll();
  };
  return {
    watch: (server) => {
      // Below TLS, so that a connection whose handshake never ends is among them.
      server.on("connection", (socket: Socket) => {
        sockets.add(socket);
        socket.once("close", () => sockets.delete(socket));
      });
    },
    begun: () => {
      underWay += 1;
      return () => {
        underWay -= 1;
        // After the answer's last bytes have been handed to the socket.
        setImmediate(endIfIdle);
      };
    },
    begin: () => {
      closing = true;
      endIfIdle();
      setTimeout(endAll, LONGEST_MS).unref();
    },
  };
};
