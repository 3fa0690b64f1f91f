import { expect, test } from "vitest";

import { snippetOf } from "./receivers";

test.each([
  [[{ name: "otlp_http", host: "", port: 14318 }], "http://shop.example:14318", "http/protobuf"],
  [[{ name: "otlp_grpc", host: "0.0.0.0", port: 4317 }], "http://shop.example:4317", "grpc"],
  [[{ name: "otlp_grpc", host: "", port: 1 }, { name: "otlp_http", host: "::1", port: 2 }], "http://[::1]:2", "http/protobuf"],
  [[{ name: "otlp_http", host: "[::]", port: 4318 }], "http://shop.example:4318", "http/protobuf"],
])("an SDK is led to the port that is configured: %#", (receivers, endpoint, protocol) => {
  const lines = snippetOf(receivers, "shop.example")?.split("\n") ?? [];
  expect(lines.slice(0, 2)).toEqual([`export OTEL_EXPORTER_OTLP_ENDPOINT=${endpoint}`, `export OTEL_EXPORTER_OTLP_PROTOCOL=${protocol}`]);
});

test("where nothing takes OTLP no address is made up", () => {
  expect(snippetOf([{ name: "zipkin_http", host: "", port: 9411 }], "shop.example")).toBeNull();
});
