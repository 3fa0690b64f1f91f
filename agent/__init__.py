"""The traffic agent: a guard that runs Envoy, what Envoy is given, and interception. Nothing on the request path is ours."""
