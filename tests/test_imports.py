"""What a command loads: starting fast is a feature, and the core works without a screen.

The lists say what may be loaded. Whoever adds to them adds to the time of every start: `make bench` shows how much.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.planning.conftest import LLAMA_8B

PYDANTIC = {"annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"}
PLAN = {"wizard_tui", "yaml", "cython_runtime", "tomli", *PYDANTIC}
FIRST_FRAME = {"wizard_tui", "textual", "rich", "platformdirs", "typing_extensions"}

_HEAD = "import sys\nbefore = set(sys.modules)\n"
_RUN = """
import json, io, contextlib
from wizard_tui import cli
with contextlib.redirect_stdout(io.StringIO()):
    code = cli.run(json.loads(sys.argv[1]))
print(json.dumps([code, sorted(set(sys.modules) - before)]))
"""
# the hook is called when a frame has been drawn; the first has the whole screen
_DRAW = """
import json
from wizard_tui.tui.app import WizardApp

class Watched(WizardApp):
    loaded = None
    def post_display_hook(self):
        if self.loaded is None:
            self.loaded, self.widgets = sorted(set(sys.modules) - before), len(self.screen.walk_children())
            self.exit()

app = Watched(fresh=True)
app.run(headless=True, size=(120, 36))
print(json.dumps([app.widgets, app.loaded]))
"""


def told(code: str, *arguments: str, home: Path) -> tuple[int, set[str]]:
    """A number, and the modules that were loaded beside those of a bare interpreter."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-c", _HEAD + code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=kept | {"HOME": str(home), "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr
    number, modules = json.loads(done.stdout.splitlines()[-1])
    return number, set(modules)


def packages(modules: set[str]) -> set[str]:
    """The packages of these modules, without Python's own."""
    names = {name.partition(".")[0] for name in modules}
    return {name for name in names - sys.stdlib_module_names if not name.startswith("_")}


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B))
    return str(tmp_path)


def test_plan_loads_what_it_needs_and_no_more(model: str, tmp_path: Path) -> None:
    code, loaded = told(_RUN, json.dumps(["plan", "-m", model, "--gpu", "H100", "--json"]), home=tmp_path)
    assert code == 0
    assert packages(loaded) <= PLAN
    assert not loaded & {"asyncio", "http.client", "wizard_tui.render.registry", "wizard_tui.launch"}


def test_a_model_of_the_catalogue_does_not_load_the_client_of_the_hub(tmp_path: Path) -> None:
    code, loaded = told(_RUN, json.dumps(["plan", "-m", "Qwen/Qwen3-8B", "--gpu", "H100", "--json"]), home=tmp_path)
    assert code == 0
    # where the Hub's cache lies is asked of the library, whose client is loaded when there is something to read in it
    assert packages(loaded) <= PLAN | {"huggingface_hub", "platformdirs"}
    assert not loaded & {"huggingface_hub.hf_api", "huggingface_hub.file_download", "huggingface_hub.utils"}


def test_help_needs_no_planner(tmp_path: Path) -> None:
    code, loaded = told(_RUN, json.dumps(["plan", "--help"]), home=tmp_path)
    assert code == 0
    assert not {name for name in loaded if name.startswith(("wizard_tui.planning", "wizard_tui.tui"))}


def test_the_first_frame_is_drawn_by_textual_alone(tmp_path: Path) -> None:
    widgets, loaded = told(_DRAW, home=tmp_path)
    assert widgets > 10
    assert packages(loaded) <= FIRST_FRAME
    assert not {name for name in loaded if name.startswith(("wizard_tui.planning", "wizard_tui.render"))}


def test_the_package_alone_loads_nothing(tmp_path: Path) -> None:
    _, loaded = told(
        "import json, wizard_tui\nprint(json.dumps([0, sorted(set(sys.modules) - before)]))", home=tmp_path
    )
    assert packages(loaded) == {"wizard_tui"}


def test_every_public_name_is_there() -> None:
    import wizard_tui

    for name in wizard_tui.__all__:
        assert getattr(wizard_tui, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'run_pln'"):
        _ = wizard_tui.run_pln


def test_json_is_valid_whatever_the_width_of_the_terminal(model: str) -> None:
    command = [sys.executable, "-m", "wizard_tui", "plan", "-m", model, "--gpu", "H100", "--json", "--explain"]
    outputs = []
    for columns in ("20", "80", "500"):
        environment = os.environ | {"COLUMNS": columns, "LINES": "10"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        json.loads(done.stdout)
        outputs.append(done.stdout)
    assert len(set(outputs)) == 1
