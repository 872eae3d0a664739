"""The vLLM of this machine, found without importing it."""

from __future__ import annotations

from pathlib import Path

from wizard_tui.hardware.installed import installed_vllm


def environment(folder: Path, *packages: str) -> Path:
    """A virtual environment with a `vllm` program and these packages' metadata."""
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / "vllm"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    for package in packages:
        (folder / "lib" / "python3.12" / "site-packages" / f"{package}.dist-info").mkdir(parents=True)
    return folder


def test_the_program_on_the_path_counts(tmp_path: Path) -> None:
    home = environment(tmp_path / "venv", "vllm-0.29.0", "vllm_flash_attn-2.6.2", "torch-2.9.0")
    assert installed_vllm({"PATH": str(home / "bin")}) == "0.29.0"


def test_a_link_to_the_program_leads_to_its_environment(tmp_path: Path) -> None:
    home = environment(tmp_path / "venv", "vllm-0.30.1+cu130")
    links = tmp_path / "links"
    links.mkdir()
    (links / "vllm").symlink_to(home / "bin" / "vllm")
    assert installed_vllm({"PATH": str(links)}) == "0.30.1+cu130"


def test_without_vllm_there_is_none(tmp_path: Path) -> None:
    assert installed_vllm({"PATH": str(tmp_path)}) is None
    assert installed_vllm({}) is None


def test_a_program_of_that_name_without_metadata(tmp_path: Path) -> None:
    assert installed_vllm({"PATH": str(environment(tmp_path / "venv") / "bin")}) is None
