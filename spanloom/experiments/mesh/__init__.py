"""The demo's services without an SDK: Envoy beside one of them, the policies that hold, and a bad release by weights."""
