"""Series of metric points: rates, histograms, and those derived from spans and findings."""
