"""The wizard's state, without a screen: what was typed, which of it is valid, the facts, and the last plan.

The text of every field is kept as it was typed. The request is made from all fields that hold something; when that
fails, the errors stay at their fields, and the last valid request and its plan remain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from wizard_tui.errors import Refusal, fault
from wizard_tui.schemas.errors import field_errors, one_sentence
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.secrets import without_secrets
from wizard_tui.tui.fields import AUTO, MODEL, all_fields, text_of
from wizard_tui.tui.history import Edit, History
from wizard_tui.tui.history import Origin as Origin
from wizard_tui.tui.left import FIRST
from wizard_tui.tui.left import Left as Left

# the planner is loaded for the first plan, after the first screen has been sent
if TYPE_CHECKING:
    from wizard_tui.hardware.gpu import GPU
    from wizard_tui.hardware.observed import Observation
    from wizard_tui.models.metadata import ModelMetadata
    from wizard_tui.planning.alternatives import Alternative
    from wizard_tui.planning.planner import Plan
    from wizard_tui.schemas.outputs import PlanResponse
    from wizard_tui.schemas.profile import Profile

GPU_NAME = "hardware.gpu"
GPU_COUNT = "hardware.gpus"
KEY_NAME = "policy.api_key_env"
# before anything is known: a popular model, and a GPU on which it fits
START = {MODEL: "Qwen/Qwen3-8B", GPU_NAME: "RTX 4090"}


@dataclass
class Session:
    """Everything the screens show. `texts` and `origins` have an entry for every field.

    `left` is the offered session, whose texts these are, `goes_on` its name once it is continued; `others_left` are
    further ones. `previous` is the plan before the last edit, in which all keys typed into one field in a row are one.
    """

    texts: dict[str, str] = field(default_factory=lambda: {path: f.default for path, f in all_fields().items()})
    origins: dict[str, Origin] = field(default_factory=lambda: dict.fromkeys(all_fields(), "default"))
    errors: dict[str, str] = field(default_factory=dict)
    fault: str | None = None
    """Why there is no plan when the user is not to blame."""
    request: PlanRequest | None = None
    plan: Plan | None = None
    """The last plan that could be made."""
    previous: PlanResponse | None = None
    metadata: ModelMetadata | None = None
    model_state: str = ""
    model_problem: str | None = None
    detected: tuple[GPU, ...] | None = None
    installed_vllm: str | None = None
    proposals: Mapping[str, int] = field(default_factory=dict)
    observed: Sequence[Observation] = ()
    problems: tuple[str, ...] = ()
    step: str = FIRST
    left: Left | None = None
    is_behind: bool = True
    """Whether fields changed since the last `replan`."""
    others_left: Sequence[Left] = ()
    goes_on: str = ""
    _offered: Mapping[str, str] | None = None
    _read_for: str = ""
    _same_edit: bool = False
    _history: History = field(default_factory=History)

    def __post_init__(self) -> None:
        if not self.texts[MODEL]:
            self._apply({MODEL: (START[MODEL], "suggested")})

    def set(self, changes: Mapping[str, str], origin: Origin = "yours") -> bool:
        """Change the text of fields; False when nothing is new. Takes effect in `replan`."""
        cleaned = {path: without_secrets(text) for path, text in changes.items()}
        fresh = {path: text for path, text in cleaned.items() if self.texts[path] != text}
        if not fresh:
            return False
        edit = Edit(
            before={path: (self.texts[path], self.origins[path]) for path in fresh},
            after={path: (text, origin) for path, text in fresh.items()},
        )
        if origin in ("yours", "suggested"):
            # `previous` is the plan before the last edit
            self._same_edit = not self._history.remember(edit) and self._same_edit
        self._apply(edit.after)
        return True

    def open_profile(self, profile: Profile) -> None:
        """Fill the fields from a profile; what it does not set goes back to its default."""
        data = profile.request_data()
        for path, spec in all_fields().items():
            given = data.get(spec.section, {})
            self.texts[path] = text_of(given[spec.name]) if spec.name in given else spec.default
            self.origins[path] = "yours" if spec.name in given else "default"

    def undo(self) -> Mapping[str, str]:
        """Take the last edit back; the fields it touched with their text, nothing when there is none."""
        return self._put(self._history.back())

    def redo(self) -> Mapping[str, str]:
        """Make the edit that was last undone again."""
        return self._put(self._history.forward())

    def apply_patch(self, patch: Mapping[str, Mapping[str, Any]]) -> Mapping[str, str]:
        """Take over a suggestion; the fields it sets with their text."""
        changes = {
            f"{section}.{name}": text_of(value) for section, fields in patch.items() for name, value in fields.items()
        }
        self.set(changes, "suggested")
        return changes

    def draft(self) -> dict[str, dict[str, Any]]:
        """The request as plain data, from all fields that differ from their default or hold something."""
        made: dict[str, dict[str, Any]] = {"model": {}}
        for path, spec in all_fields().items():
            text = self.texts[path].strip()
            if text and text != spec.default:
                made.setdefault(spec.section, {})[spec.name] = _value_of(text) if spec.kind == "choice" else text
        return made

    def replan(self) -> None:
        """Make the request from the fields and plan it with the facts at hand.

        Errors land in `errors` by field; `response` then keeps the last valid plan. A missing fact is no error: the
        panels wait for it.
        """
        from wizard_tui.planning.planner import make_plan
        from wizard_tui.resolver import Facts, are_of_this_box, resolve_gpus

        self.is_behind = False
        try:
            self.request = PlanRequest.model_validate(self.draft() | {"explain": True})
        except ValidationError as error:
            self.errors = field_errors(error)
            return
        self.errors, self.fault = {}, None
        try:
            gpus = resolve_gpus(self.request.hardware, self.detected or ())
        except Refusal as error:
            self.errors = {GPU_NAME: str(error)}
            return
        metadata = self.metadata
        if metadata is None or self._read_for != self.request.model.model:
            return
        try:
            here = are_of_this_box(gpus)
            facts = Facts(metadata, gpus, self.installed_vllm if here else None, tuple(self.observed) if here else ())
            plan = make_plan(self.request, facts)
        except Refusal as error:
            self.errors = {MODEL: str(error)}
            return
        except Exception as error:  # a fault of ours must not lose what was typed
            self.fault = fault(error, "there is no plan")
            return
        if plan.response != self.response:
            if not self._same_edit:
                self.previous = self.response
            self._same_edit = True
        self.plan = plan

    @property
    def response(self) -> PlanResponse | None:
        """What the plan on screen says; None before there is one."""
        return self.plan.response if self.plan is not None else None

    def plan_to_keep(self) -> tuple[PlanRequest, PlanResponse] | None:
        """The plan on screen as the command line would make it; None before there is one.

        The screen asks for reasons, the user did not: neither profile nor plan on disk may hold them.
        """
        from wizard_tui.planning.planner import response_of

        if self.plan is None:
            return None
        decision = self.plan.decision
        request = decision.request.model_copy(update={"explain": False})
        return request, response_of(decision._replace(request=request))

    def settled(self) -> dict[str, str]:
        """The plan's values for fields left open; empty before there is a plan."""
        from wizard_tui.tui.settled import settled

        if self.plan is None:
            return {}
        return {
            path: text for path, text in settled(self.plan.decision).items() if self.texts[path].strip() in ("", AUTO)
        }

    def verdict_with(self, patch: Mapping[str, Mapping[str, Any]]) -> str:
        """The verdict of the plan on screen with a change applied; also a plain sentence when that is refused."""
        from wizard_tui.planning.decide import decide
        from wizard_tui.planning.suggest import patched
        from wizard_tui.planning.verdict import verdict

        if self.plan is None:
            return "there is no plan yet"
        try:
            return verdict(decide(patched(self.plan.decision.request, patch), self.plan.decision.facts))
        except ValidationError as error:
            return f"it cannot be planned: {one_sentence(error)}"
        except Refusal as error:
            return f"it cannot be planned: {error}"

    def alternatives(self) -> list[Alternative]:
        """Other ways to run the workload on these GPUs, best first; empty before there is a plan."""
        from wizard_tui.planning.alternatives import alternatives

        if self.plan is None:
            return []
        return alternatives(self.plan.decision.request, self.plan.decision.facts)

    def boxes(self) -> list[tuple[GPU, int]]:
        """The smallest boxes of the catalogue on which the request fits: GPU and how many."""
        from wizard_tui.hardware.catalog import all_gpus
        from wizard_tui.planning.alternatives import boxes_that_do

        if self.plan is None:
            return []
        asked = self.plan.decision
        return [(gpu, count) for gpu, count, _ in boxes_that_do(asked.request, asked.facts, all_gpus())]

    @property
    def gpus(self) -> tuple[GPU, ...]:
        """The GPUs of the plan on screen; empty before there is one."""
        return self.plan.decision.facts.gpus if self.plan is not None else ()

    def artifact_names(self) -> tuple[str, ...]:
        """The artifacts that can be written from the plan on screen."""
        from wizard_tui.render.registry import ARTIFACTS

        response = self.response
        return () if response is None else tuple(n for n, made in ARTIFACTS.items() if made.fits(response.config))

    def artifact_text(self, name: str) -> str:
        """One artifact of the plan on screen; empty before there is one."""
        from wizard_tui.render.registry import ARTIFACTS

        return "" if self.response is None else ARTIFACTS[name].render(self.response.config)

    @property
    def params_b(self) -> float | None:
        """The parameter count as typed so far; None until it is a number."""
        try:
            return float(self.texts["model.params_b"])
        except ValueError:
            return None

    @property
    def stale(self) -> str | None:
        """Why the plan on screen does not match the fields; None when it does."""
        if self.fault is not None:
            return self.fault
        if self.errors:
            path, sentence = next(iter(self.errors.items()))
            label = all_fields()[path].label if path in all_fields() else path
            return f"{label} {sentence}"
        if self.plan is not None and self.plan.decision.request != self.request:
            return self.model_state or "waiting for the model's facts"
        return None

    def problem_of(self, path: str) -> str | None:
        """What is wrong with a field. A model without facts does not make the request wrong, but its field is where the
        user can act."""
        return self.errors.get(path) or (self.model_problem if path == MODEL else None)

    def model_ready(self, model: str, metadata: ModelMetadata) -> bool:
        """Take the facts of what was typed as `model`; False when the field meanwhile holds another one."""
        if model != self.texts[MODEL].strip():
            return False
        self.metadata, self.model_state, self.model_problem, self._read_for = metadata, "", None, model
        return True

    def model_failed(self, model: str, sentence: str, *, is_ours: bool = False) -> bool:
        """Note why a model's facts are missing; False when the field meanwhile holds another model. A fault of ours is
        not the field's error."""
        if model != self.texts[MODEL].strip():
            return False
        self.metadata, self.model_state, self.model_problem = None, sentence, None if is_ours else sentence
        return True

    def gpus_found(
        self, gpus: Sequence[GPU], installed_vllm: str | None = None, observed: Sequence[Observation] = ()
    ) -> list[str]:
        """Take the GPUs that the driver reports, the vLLM installed here, and the results of earlier starts.

        Returns the paths of the hardware fields that it fills: those that nobody touched.
        """
        self.detected, self.installed_vllm, self.observed = tuple(gpus), installed_vllm, observed
        name = self.texts[GPU_NAME], self.origins[GPU_NAME]
        untouched = name[1] in ("default", "detected") or name == (START[GPU_NAME], "suggested")
        if not untouched or self.origins[GPU_COUNT] not in ("default", "detected"):
            return []
        filled: dict[str, tuple[str, Origin]] = (
            {GPU_NAME: (AUTO, "detected"), GPU_COUNT: (str(len(gpus)), "detected")}
            if gpus
            else {GPU_NAME: (START[GPU_NAME], "suggested"), GPU_COUNT: ("1", "default")}
        )
        self._apply(filled)
        return list(filled)

    def propose(self, fitting: Mapping[str, int]) -> list[str]:
        """Take which models fit, the largest first, with the bytes of their weights on one GPU.

        Returns the paths that change: a starting model that does not fit and that nobody chose is replaced by one that
        fits.
        """
        self.proposals = fitting
        if self.origins[MODEL] != "suggested" or self.texts[MODEL] in fitting or not fitting:
            return []
        self._apply({MODEL: (next(iter(fitting)), "suggested")})
        return [MODEL]

    def saved(self) -> dict[str, Any]:
        """What a later start needs to go on; plain data without secrets."""
        return {
            "version": 1,
            "step": self.left.step if self.left is not None else self.step,
            "fields": {
                path: [text, self.origins[path]]
                for path, text in self.texts.items()
                if (text != all_fields()[path].default or self.origins[path] != "default")
                # anything there that is not a variable's name may be the key itself
                and not (path == KEY_NAME and path in self.errors)
            },
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Continue from saved data, without what is no longer known. Raises ValueError for other data."""
        Left.of(saved, datetime.now())
        for path, row in saved["fields"].items():
            if path in self.texts and isinstance(row, list) and len(row) == 2 and all(isinstance(x, str) for x in row):
                self.texts[path] = row[0]
                self.origins[path] = row[1] if row[1] in ("detected", "suggested", "yours") else "default"
        self.step = str(saved.get("step", self.step))

    def offer(self, saved: Mapping[str, Any], saved_at: datetime, name: str = "") -> None:
        """Restore saved data, but stay on Welcome until the user goes on there. Raises ValueError as `restore`."""
        self.restore(saved)
        self.left, self.goes_on = Left.of(saved, saved_at, name), name
        self.step = FIRST
        self._offered = self._typed()

    def change_to(self, saved: Mapping[str, Any], left: Left) -> None:
        """Take another earlier session in place of this one. Raises ValueError as `restore`."""
        Left.of(saved, left.saved_at)
        self.start_anew()
        self.others_left = [other for other in self.others_left if other.name != left.name]
        self.offer(saved, left.saved_at, left.name)

    @property
    def is_worth_keeping(self) -> bool:
        """Whether a later start should offer it: it holds something typed or viewed that is nowhere else on disk."""
        if self.left is not None:
            return self._typed() != self._offered
        return self.step != FIRST or bool(self._typed())

    def start_anew(self) -> None:
        """Forget everything except the driver's answer. The session that was offered stays with the others."""
        if self.left is not None:
            self.others_left = (self.left, *self.others_left)
        fresh = Session()
        self.texts, self.origins, self.left, self.goes_on = fresh.texts, fresh.origins, None, ""
        self._history = History()
        if self.detected is not None:
            self.gpus_found(self.detected, self.installed_vllm, self.observed)

    def _typed(self) -> dict[str, str]:
        return {path: text for path, text in self.texts.items() if self.origins[path] == "yours"}

    def _put(self, changes: Mapping[str, tuple[str, Origin]]) -> Mapping[str, str]:
        if changes:
            self._same_edit = False
            self._apply(changes)
        return {path: text for path, (text, _) in changes.items()}

    def _apply(self, changes: Mapping[str, tuple[str, Origin]]) -> None:
        self.is_behind = True
        for path, (text, origin) in changes.items():
            self.texts[path] = text
            self.origins[path] = origin


def _value_of(text: str) -> Any:
    return {"yes": True, "no": False}.get(text, text)
