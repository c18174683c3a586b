"""The sessions and the artifacts of google-adk in Cairn, over HTTP."""

from cairn_adk.artifacts import CairnArtifactService
from cairn_adk.service import CairnSessionService

__all__ = ["CairnArtifactService", "CairnSessionService"]
