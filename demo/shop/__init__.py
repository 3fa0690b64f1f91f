"""A small shop: seven services that know OpenTelemetry and nothing of Spanloom.

user -> frontend -HTTP-> catalog -> SQLite
                -HTTP-> cart -HTTP-> catalog
                -gRPC-> inventory -> SQLite
                -HTTP-> checkout -HTTP-> cart
                                 -gRPC-> inventory, payment
                                 -queue-> shipping
"""
