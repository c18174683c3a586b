"""Artifacts in the form of google-adk: a part with text, with bytes, or with where a file is."""

import base64
import re
from typing import Any
from urllib.parse import quote

from api.adk.content import Part
from api.adk.requests import Refusal
from api.adk.wire import SaveArtifact
from api.http.outgoing.responses import from_json, to_json
from application.ports.session.artifacts import ArtifactDraft, ArtifactVersion
from application.use_cases.session.named_sessions import SessionName

MOST_IN_NAME = 512
"""Characters of a name, as the store takes them."""
_MEDIA_TYPE = re.compile(r"[\x20-\x7e]{0,255}")
_REFERENCE = "artifact://"
_GONE = {"inlineData": {"mimeType": "application/octet-stream"}}
"""Without bytes: what a rewind writes over artifacts that were not there yet."""


def require_artifact_name(name: str) -> str:
    """Return the name of an artifact.

    Args:
        name: As it came.

    Raises:
        Refusal: 422, no path could name it.
    """
    segments = name.removeprefix("user:").split("/")
    wrong = None
    if len(name) > MOST_IN_NAME:
        wrong = f"has {len(name)} characters; at most {MOST_IN_NAME}"
    elif any(ord(one) < 0x20 or ord(one) == 0x7F for one in name):
        wrong = "has control characters"
    elif not all(one.strip() for one in segments) or {".", ".."} & set(segments):
        wrong = "is empty, or has an empty part, or a dot or two for one"
    elif "versions" in segments[1:]:
        wrong = "has the part `versions`, which stands behind names in paths"
    if wrong is not None:
        raise Refusal(422, f"The name of the artifact {wrong}.")
    return name


def draft_of(asked: SaveArtifact) -> ArtifactDraft:
    """Return what is to be kept of an artifact.

    Args:
        asked: As it came.

    Raises:
        Refusal: 400, it is of a kind that is not kept; or 422, its media type is none.
    """
    part = asked.artifact
    kept = part.model_dump(by_alias=True, exclude_none=True)
    if part.inline_data is not None:
        media_type = _media_type(part.inline_data.mime_type)
        content = base64.urlsafe_b64decode(kept["inlineData"].pop("data", ""))
    elif part.text is not None:
        media_type, content = "text/plain", kept.pop("text").encode()
    elif part.file_data is not None:
        media_type, content = _media_type(part.file_data.get("mimeType")), b""
        if str(part.file_data.get("fileUri", "")).startswith(_REFERENCE):
            raise Refusal(400, "An artifact that refers to another one is not kept; send its part.")
    else:
        raise Refusal(400, "Not supported artifact type.")
    about = {"part": kept, "customMetadata": asked.custom_metadata or {}}
    return ArtifactDraft(media_type, to_json(about), content)


def _media_type(given: Any) -> str | None:
    if given is None or (isinstance(given, str) and _MEDIA_TYPE.fullmatch(given)):
        return given
    raise Refusal(422, "The media type of the artifact is none.")


def part_json(version: ArtifactVersion, content: bytes) -> bytes | None:
    """Return a version as the part that it was; None when it is the mark of one that is gone.

    Args:
        version: Of the artifact.
        content: Its bytes.
    """
    part: dict[str, Any] = from_json(version.about)["part"]
    if part == _GONE and not content:
        return None
    if "inlineData" in part:
        data = base64.urlsafe_b64encode(content).decode()
        part["inlineData"] = {"data": data, **part["inlineData"]}
    elif "fileData" not in part:
        part = {"text": content.decode(), **part}
    return to_json(Part.model_validate(part).model_dump(by_alias=True, exclude_none=True))


def version_document(name: SessionName, artifact: str, version: ArtifactVersion) -> dict[str, Any]:
    """Return what google-adk tells of a version.

    Args:
        name: Of the session that sees it.
        artifact: The name of the artifact.
        version: The version.
    """
    at = f"cairn://apps/{quote(name.app, safe='')}/users/{quote(name.user, safe='')}"
    if not artifact.startswith("user:"):
        at += f"/sessions/{quote(name.name, safe='')}"
    document: dict[str, Any] = {
        "version": version.version,
        "canonicalUri": f"{at}/artifacts/{quote(artifact, safe='/:')}/versions/{version.version}",
        "customMetadata": from_json(version.about)["customMetadata"],
        "createTime": version.created_at.timestamp(),
    }
    if version.media_type is not None:
        document["mimeType"] = version.media_type
    return document
