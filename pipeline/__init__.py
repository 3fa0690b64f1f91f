"""The Faust application: topics, transports, stream agents, offset holding, wiring."""
