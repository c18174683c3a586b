"""An artifact service of google-adk that keeps its artifacts in Cairn."""

from typing import Any

from google.adk.artifacts.base_artifact_service import (
    ArtifactVersion,
    BaseArtifactService,
    ensure_part,
)
from google.genai import types
from typing_extensions import override

from cairn_adk.client import CairnClient, checked, is_missing, quoted, sessions_path


class CairnArtifactService(CairnClient, BaseArtifactService):
    """Keeps artifacts in Cairn, in their sessions; those of `user:` in all sessions of a user.

    Args:
        uri: Where the server is: `cairn://[adk:TOKEN@]host[:port][/path]`; `cairns` is for TLS.
        timeout: Seconds that an answer may take.
        patience: Seconds for which a server that is away or busy is asked again.
        **_: What google-adk tells every service, such as `agents_dir`.

    Raises:
        ValueError: The URI is none of these.
    """

    @override
    async def save_artifact(
        self,
        *,
        app_name: str,
        user_id: str,
        filename: str,
        artifact: types.Part | dict[str, Any],
        session_id: str | None = None,
        custom_metadata: dict[str, Any] | None = None,
    ) -> int:
        part = ensure_part(artifact).model_dump(mode="json", by_alias=True, exclude_none=True)
        body = {"filename": filename, "artifact": part, "customMetadata": custom_metadata}
        path = _artifacts(app_name, user_id, session_id)
        answer = await self._ask("POST", path, document=body, once=True)
        version: int = checked(answer).json()["version"]
        return version

    @override
    async def load_artifact(
        self,
        *,
        app_name: str,
        user_id: str,
        filename: str,
        session_id: str | None = None,
        version: int | None = None,
    ) -> types.Part | None:
        path = _artifacts(app_name, user_id, session_id, filename)
        query = {} if version is None else {"version": version}
        found = await self._found(path, query)
        return None if found is None else types.Part.model_validate(found)

    @override
    async def list_artifact_keys(
        self, *, app_name: str, user_id: str, session_id: str | None = None
    ) -> list[str]:
        found = await self._found(_artifacts(app_name, user_id, session_id))
        return found or []

    @override
    async def delete_artifact(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> None:
        checked(await self._ask("DELETE", _artifacts(app_name, user_id, session_id, filename)))

    @override
    async def list_versions(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> list[int]:
        path = _artifacts(app_name, user_id, session_id, filename)
        return await self._found(f"{path}/versions") or []

    @override
    async def list_artifact_versions(
        self, *, app_name: str, user_id: str, filename: str, session_id: str | None = None
    ) -> list[ArtifactVersion]:
        path = _artifacts(app_name, user_id, session_id, filename)
        found = await self._found(f"{path}/versions/metadata")
        return [ArtifactVersion.model_validate(one) for one in found or []]

    @override
    async def get_artifact_version(
        self,
        *,
        app_name: str,
        user_id: str,
        filename: str,
        session_id: str | None = None,
        version: int | None = None,
    ) -> ArtifactVersion | None:
        path = _artifacts(app_name, user_id, session_id, filename)
        named = "latest" if version is None else version
        found = await self._found(f"{path}/versions/{named}/metadata")
        return None if found is None else ArtifactVersion.model_validate(found)

    async def _found(self, path: str, query: dict[str, int] | None = None) -> Any:
        answer = await self._ask("GET", path, params=query)
        return None if is_missing(answer) else checked(answer).json()


def _artifacts(app: str, user: str, session: str | None, artifact: str | None = None) -> str:
    if session is None:
        raise ValueError("Session ID must be provided: Cairn keeps artifacts in sessions.")
    path = f"{sessions_path(app, user, session)}/artifacts"
    if artifact is None:
        return path
    return f"{path}/{'/'.join(quoted(one) for one in artifact.split('/'))}"
