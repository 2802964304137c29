"""Files for init systems."""
