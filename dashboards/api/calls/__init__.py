"""Numbers of calls: services, one service, rates and durations over time, who calls whom."""
