"""The sessions of google-adk in Cairn, over HTTP."""

from cairn_adk.service import CairnSessionService

__all__ = ["CairnSessionService"]
