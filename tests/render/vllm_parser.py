"""vLLM's own argument parser; run by an interpreter that has vLLM.

Standard input is JSON: `commands`, lists of words after `vllm`. Standard output ends with one line of JSON: the parsed
options of each command, and of every flag of `vllm serve` its choices.
"""

from __future__ import annotations

import json
import sys

from vllm.entrypoints.cli.serve import ServeSubcommand
from vllm.utils.argparse_utils import FlexibleArgumentParser


def main() -> None:
    parser = FlexibleArgumentParser()
    serve = ServeSubcommand().subparser_init(parser.add_subparsers(dest="subparser"))
    parsed = []
    for words in json.load(sys.stdin)["commands"]:
        try:
            options = vars(parser.parse_args(words))
        except SystemExit:
            sys.exit(f"refused: {words}")
        # as `vllm serve` itself does first
        options["model"] = options["model_tag"] or options["model"]
        parsed.append({name: json.loads(json.dumps(value, default=str)) for name, value in options.items()})
    flags = {
        name: sorted(map(str, action.choices or ())) for action in serve._actions for name in action.option_strings
    }
    sys.stdout.write("\n" + json.dumps({"parsed": parsed, "flags": flags}) + "\n")


main()
