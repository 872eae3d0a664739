"""`generate`: files on disk from options or a profile."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Run


def everything(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_defaults_are_a_script_and_a_profile(run: Run, models: Path, tmp_path: Path) -> None:
    ran = run("generate", "-m", models / "llama-8b", "--gpu", "H100", "-o", tmp_path / "out")
    assert ran.code == 0
    assert {"serve.sh", "profile.yaml", "plan.json"} <= set(everything(tmp_path / "out"))
    assert f"{tmp_path / 'out' / 'serve.sh'}\n" in ran.out
    assert "Fits:" in ran.out


def test_a_written_profile_gives_identical_files(run: Run, models: Path, tmp_path: Path) -> None:
    asked = ("generate", "-m", models / "llama-8b", "--gpu", "H100", "-c", "16", "--emit", "all")
    assert run(*asked, "-o", tmp_path / "one").code == 0
    profile = tmp_path / "one" / "profile.yaml"
    assert run("generate", "--profile", profile, "-o", tmp_path / "two").code == 0
    assert everything(tmp_path / "one") == everything(tmp_path / "two")


def test_the_directory_may_stand_in_the_profile(run: Run, models: Path, tmp_path: Path) -> None:
    profile = tmp_path / "p.yaml"
    profile.write_text(
        f"profile_version: 1\nmodel: {{model: {models / 'llama-8b'}}}\nhardware: {{gpu: H100}}\n"
        f"outputs: {{output_dir: {tmp_path / 'out'}, emit: [compose]}}\n"
    )
    assert run("generate", "-p", profile).code == 0
    assert "docker-compose.yaml" in everything(tmp_path / "out")
    assert "serve.sh" not in everything(tmp_path / "out")


def test_without_a_directory_nothing_happens(run: Run, models: Path) -> None:
    ran = run("generate", "-m", models / "llama-8b", "--gpu", "H100")
    assert ran.code == 2
    assert "--output-dir" in ran.err


def test_a_changed_file_is_shown_and_kept(run: Run, models: Path, tmp_path: Path) -> None:
    asked = ("generate", "-m", models / "llama-8b", "--gpu", "H100", "-o", tmp_path / "out")
    run(*asked)
    (tmp_path / "out" / "serve.sh").write_text("mine\n")
    ran = run(*asked)
    assert ran.code == 2
    assert "-mine" in ran.err
    assert "--force" in ran.err
    assert (tmp_path / "out" / "serve.sh").read_text() == "mine\n"


def test_a_disk_that_refuses_is_one_sentence(run: Run, models: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = run("generate", "-m", models / "llama-8b", "--gpu", "H100", "-o", tmp_path / "file" / "out")
    assert ran.code == 2
    assert "Traceback" not in ran.err


def test_opening_to_the_network_asks_for_a_key(run: Run, models: Path, tmp_path: Path) -> None:
    asked = ("generate", "-m", models / "llama-8b", "--gpu", "H100", "-o", tmp_path / "out", "--host", "0.0.0.0")
    assert "without an API key; set api_key_env" in run(*asked).err
    assert "API key" not in run(*asked, "--api-key-env", "VLLM_API_KEY").err
