"""What this program refuses, as one tree; anything else that is raised is a fault of ours.

    Refusal (ValueError)            what the user can put right
     +- NoConfig (FileNotFoundError)   a local model without config.json, or a path that does not exist
     +- UsageError                     a command line that cannot be carried out      (cli.parser)
     +- LaunchError                    a server that cannot be started or stopped     (launch.ways)
     +- AnswerError                    a server that does not answer as it should     (launch.client)
     +- Conflict                       a file that somebody changed stands in the way (launch.writer)

The edges catch them and show their text: the command line, a line of a batch, the fields and dialogs of the wizard. A
request that does not meet its schema is pydantic's ValidationError, for which `schemas.errors` has the sentence.
"""

from __future__ import annotations

__all__ = ["NoConfig", "Refusal", "fault"]


class Refusal(ValueError):  # noqa: N818 - nothing is wrong with this program
    """What the user can put right; its text is one plain sentence with the cure, without a final stop.

    >>> load_model_metadata("")
    Refusal: the model is empty; give a Hub id such as Qwen/Qwen3-8B or a local directory
    """


class NoConfig(Refusal, FileNotFoundError):  # noqa: N818 - named after what is missing
    """A local directory without config.json, or a path that does not exist.

    >>> load_model_metadata("./nowhere")
    NoConfig: ./nowhere does not exist; give a directory with config.json or a Hub id
    """


def fault(error: Exception, what: str) -> str:
    """The sentence for an error of ours and `what` came of it. It tells the kind of the error alone: its text may hold
    anything of what was given."""
    return f"a fault of this program ({type(error).__name__}): {what}; please report what you gave it"
