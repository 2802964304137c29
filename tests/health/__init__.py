"""Ready and alive."""
