"""What wires one run: guardian, session, keyboard, reporter."""
