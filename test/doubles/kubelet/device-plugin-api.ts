// SPDX-License-Identifier: Apache-2.0
// Defines the kubelet's device plugin API v1beta1 for tests, by itself and not by the product's code, so that a wrong field shows.
import { type GrpcObject, loadPackageDefinition, type ServiceClientConstructor } from "@grpc/grpc-js";
import { fromJSON } from "@grpc/proto-loader";

const repeated = (type: string, id: number) => ({ rule: "repeated", type, id });
const one = (type: string, id: number) => ({ type, id });
const call = (requestType: string, responseType: string) => ({ requestType, responseType, comment: "" });

/** As protobuf.js has it in JSON. Of an answer there is more than a plugin should use, so that what it should not is seen. */
const SCHEMA = {
  Registration: { methods: { Register: call("Register", "Nothing") } },
  DevicePlugin: {
    methods: {
      GetDevicePluginOptions: call("Nothing", "Options"),
      ListAndWatch: { ...call("Nothing", "Listed"), responseStream: true },
      GetPreferredAllocation: call("Choices", "Chosen"),
      Allocate: call("Wanted", "Allocated"),
      PreStartContainer: call("Started", "Nothing"),
    },
  },
  Nothing: { fields: {} },
  Options: { fields: { preStart: one("bool", 1), preferred: one("bool", 2) } },
  Register: {
    fields: {
      version: one("string", 1),
      endpoint: one("string", 2),
      resource: one("string", 3),
      options: one("Options", 4),
    },
  },
  Listed: { fields: { devices: repeated("Listing", 1) } },
  Listing: { fields: { id: one("string", 1), health: one("string", 2), topology: one("bytes", 3) } },
  Started: { fields: { ids: repeated("string", 1) } },
  Choices: { fields: { containers: repeated("Choice", 1) } },
  Choice: {
    fields: { available: repeated("string", 1), included: repeated("string", 2), size: one("int32", 3) },
  },
  Chosen: { fields: { containers: repeated("Started", 1) } },
  Wanted: { fields: { containers: repeated("Started", 1) } },
  Allocated: { fields: { containers: repeated("Injected", 1) } },
  Injected: {
    fields: {
      envs: repeated("bytes", 1),
      mounts: repeated("bytes", 2),
      devices: repeated("Node", 3),
      annotations: repeated("bytes", 4),
      cdi: repeated("bytes", 5),
    },
  },
  Node: { fields: { container: one("string", 1), host: one("string", 2), permissions: one("string", 3) } },
};

const isService = (value: GrpcObject[string] | undefined): value is ServiceClientConstructor =>
  typeof value === "function";

const loaded = loadPackageDefinition(
  fromJSON({ nested: { v1beta1: { nested: SCHEMA } } }, { defaults: true }),
);

/** The client of a service, which has the server's definition as well. */
export const serviceOf = (name: "Registration" | "DevicePlugin"): ServiceClientConstructor => {
  const { v1beta1 } = loaded;
  const service =
    v1beta1 !== undefined && !isService(v1beta1) && name in v1beta1
      ? (v1beta1 as GrpcObject)[name]
      : undefined;
  if (!isService(service)) throw new Error(`no service ${name}`);
  return service;
};

export type Listing = { id: string; health: string };
export type Injected = {
  envs: unknown[];
  mounts: unknown[];
  devices: { container: string; host: string; permissions: string }[];
  annotations: unknown[];
  cdi: unknown[];
};
