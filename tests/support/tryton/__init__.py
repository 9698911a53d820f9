"""A real Tryton for the tests and the demo: made once, copied and started in seconds."""
