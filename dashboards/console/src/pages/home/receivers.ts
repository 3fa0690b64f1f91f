/** Where to send telemetry, as lines for a shell. */

export interface Receiver {
  name: string;
  host: string;
  port: number;
}

const PROTOCOLS = [
  ["otlp_http", "http/protobuf"],
  ["otlp_grpc", "grpc"],
] as const;

/** One that listens at all addresses, or does not say at which, is reached where the page was. */
const ANYWHERE = new Set(["", "0.0.0.0", "::", "[::]"]);

/** Lines for an SDK, by the receiver that most of them prefer; null where none takes OTLP. */
export function snippetOf(receivers: readonly Receiver[], pageHost: string): string | null {
  for (const [name, protocol] of PROTOCOLS) {
    const found = receivers.find((each) => each.name === name);
    if (found === undefined) continue;
    const host = ANYWHERE.has(found.host) ? pageHost : found.host;
    const written = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
    return [
      `export OTEL_EXPORTER_OTLP_ENDPOINT=http://${written}:${found.port}`,
      `export OTEL_EXPORTER_OTLP_PROTOCOL=${protocol}`,
      "export OTEL_SERVICE_NAME=my-service",
    ].join("\n");
  }
  return null;
}
