"""`python -m wizard_tui` is `vllm-wizard-tui`."""

from wizard_tui.cli import main

if __name__ == "__main__":
    main()
