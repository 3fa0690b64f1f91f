"""A small shop: services that know OpenTelemetry, one that does not, and none that knows Spanloom.

user -> frontend -HTTP-> catalog -> SQLite
                -HTTP-> cart -HTTP-> catalog
                -gRPC-> inventory -> SQLite
                -HTTP-> checkout -HTTP-> cart
                                 -gRPC-> inventory, payment
                                 -queue-> shipping
                -HTTP-> delivery -HTTP-> carrier      where a proxy stands beside delivery, which has no SDK
"""
