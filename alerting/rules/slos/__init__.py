"""Service level objectives: defined as OpenSLO, evaluated as recording and alerting rules."""
