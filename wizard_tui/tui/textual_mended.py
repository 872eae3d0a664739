"""What Textual 8.2 does wrong and no widget of ours can put right by itself. Loaded before the first screen."""

from __future__ import annotations

from textual._styles_cache import StylesCache

# A sum of two colours is remembered together with the object that asked for it, for the last 1024 of them: all lines of
# every page and dialog that was closed stay in memory with it, which was 9 kB for every key of a long session.
_remembered = StylesCache.get_inner_outer
StylesCache.get_inner_outer = getattr(_remembered, "__wrapped__", _remembered)  # type: ignore[method-assign]
