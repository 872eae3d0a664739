"""Run it and check: preflight, process, start-up log, verification."""
