"""PromQL: `compile_expression` once, `Expression.evaluate` at any time over any `Source` of samples."""
