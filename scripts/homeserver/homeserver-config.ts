// SPDX-License-Identifier: Apache-2.0
// Writes the configuration of a Synapse for one machine's tests: loopback, SQLite, no rate limits, no federation.
// https://element-hq.github.io/synapse/latest/usage/configuration/config_documentation.html
import { randomBytes } from "node:crypto";

/** What Synapse's configuration is made from. */
export type HomeserverSettings = {
  /** The folder of the files and the database, as Synapse sees it. */
  readonly folder: string;
  readonly port: number;
  readonly serverName: string;
  readonly sharedSecret: string;
  readonly logLevel: "WARNING" | "INFO" | "DEBUG";
  /** Keys of homeserver.yaml that are added, or that replace those made here. */
  readonly extra: Readonly<Record<string, unknown>>;
};

/** A rate that no test reaches. */
const UNLIMITED = { per_second: 1_000_000, burst_count: 1_000_000 };

const RATES = {
  rc_message: UNLIMITED,
  rc_registration: UNLIMITED,
  rc_registration_token_validity: UNLIMITED,
  rc_login: { address: UNLIMITED, account: UNLIMITED, failed_attempts: UNLIMITED },
  rc_admin_redaction: UNLIMITED,
  rc_joins: { local: UNLIMITED, remote: UNLIMITED },
  rc_joins_per_room: UNLIMITED,
  rc_key_requests: UNLIMITED,
  rc_3pid_validation: UNLIMITED,
  rc_invites: { per_room: UNLIMITED, per_user: UNLIMITED, per_issuer: UNLIMITED },
  rc_third_party_invite: UNLIMITED,
  rc_presence: { per_user: UNLIMITED },
  rc_delayed_event_mgmt: UNLIMITED,
  rc_room_creation: UNLIMITED,
  rc_reports: UNLIMITED,
  rc_user_directory: UNLIMITED,
};

/**
 * The files that Synapse is started with, by name; `homeserver.yaml` is the one to name on its command line. JSON is YAML,
 * so they are written as JSON.
 */
export const homeserverFiles = (settings: HomeserverSettings): Record<string, string> => {
  const { folder, port, serverName, sharedSecret, logLevel, extra } = settings;
  const config = {
    server_name: serverName,
    public_baseurl: `http://127.0.0.1:${port}/`,
    listeners: [{ port, type: "http", bind_addresses: ["127.0.0.1"], resources: [{ names: ["client"] }] }],
    database: { name: "sqlite3", args: { database: `${folder}/homeserver.db` } },
    log_config: `${folder}/log.yaml`,
    signing_key_path: `${folder}/signing.key`,
    registration_shared_secret: sharedSecret,
    macaroon_secret_key: secret(),
    form_secret: secret(),
    // The cheapest that bcrypt takes: the passwords are made up for the test.
    bcrypt_rounds: 4,
    trusted_key_servers: [],
    suppress_key_server_warning: true,
    report_stats: false,
    enable_media_repo: false,
    presence: { enabled: false },
    ...RATES,
    ...extra,
  };
  const logging = {
    version: 1,
    disable_existing_loggers: false,
    formatters: { line: { format: "%(asctime)s %(levelname)s %(name)s %(message)s" } },
    handlers: { stderr: { class: "logging.StreamHandler", formatter: "line", stream: "ext://sys.stderr" } },
    root: { level: logLevel, handlers: ["stderr"] },
  };
  return {
    "homeserver.yaml": JSON.stringify(config),
    "log.yaml": JSON.stringify(logging),
    // The algorithm, a name for the key, and the seed in base64 without padding.
    "signing.key": `ed25519 a_keyswitch ${randomBytes(32).toString("base64").replace(/=+$/, "")}\n`,
  };
};

const secret = (): string => randomBytes(24).toString("base64url");
